//! What pages of many runs have in common: a place of their table opens its plays, each with its
//! timeline.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::picture::{Picture, picture};
use crate::facts::verdict::Class;
use crate::report::run::Run;

pub(super) const SCRIPT: &str = concat!(include_str!("timeline.js"), include_str!("dialog.js"));

/// Timelines of runs that passed, beyond which only those that did not are put into the page…
const MAX_PASSED: usize = 200;
/// …up to this many. Each is some ten kilobytes; all of them are in the runs' own pages.
const MAX_PICTURES: usize = 400;
/// The timelines that the page shows, by the runs' names.
#[derive(Default)]
pub struct Pictures(BTreeMap<String, Picture>);

impl Pictures {
    /// Adds a run's, while there is room.
    pub fn add(&mut self, name: &str, run: &Run) {
        let passed = run.verdict().class() == Class::Passed;
        if self.0.len() < if passed { MAX_PASSED } else { MAX_PICTURES } {
            self.0.insert(name.to_owned(), picture(run));
        }
    }

    /// What the script shows, with these places.
    pub(super) fn beside<'a>(&'a self, places: Vec<Shown<'a>>) -> Data<'a> {
        Data { places, pictures: &self.0 }
    }
}

/// What the script shows.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    /// By the number that the table gives them.
    places: Vec<Shown<'a>>,
    pictures: &'a BTreeMap<String, Picture>,
}

/// A place.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    pub(super) title: String,
    pub(super) plays: Vec<Play<'a>>,
}

/// One attempt of one play.
#[derive(Serialize)]
pub(super) struct Play<'a> {
    pub(super) class: &'static str,
    pub(super) outcome: &'a str,
    pub(super) line: &'a str,
    pub(super) seconds: f64,
    /// It was tried again.
    pub(super) again: bool,
    pub(super) run: Option<&'a str>,
    pub(super) page: Option<String>,
}

/// The element that opens.
pub(super) const BODY: &str = "<dialog id=\"play\">\n<form method=\"dialog\"><h2></h2>\
<button aria-label=\"close\">✕</button></form>\n<p class=\"tools\" id=\"plays\"></p>\n\
<p class=\"verdict\"></p>\n<div id=\"place\"></div>\n</dialog>\n";

/// The address of a run's page.
pub(super) fn address(base: &str, name: &str) -> String {
    let mut out = String::new();
    for byte in format!("{base}{name}/report.html").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            // A String takes any write.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}
