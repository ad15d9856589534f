//! What all pages have in common.

use std::fmt::Write;

use base64::Engine;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::facts::verdict::Class;

const CSS: &str = include_str!("page.css");

/// A page of this title and body, whose script finds the data in the element `data`.
pub(super) fn page(
    title: &str,
    body: &str,
    data: &impl Serialize,
    script: &str,
) -> serde_json::Result<String> {
    let mut out = String::new();
    // A String takes any write.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} · iwlbench</title>\n<style>{CSS}</style>\n</head>\n<body>\n{body}\
         <script type=\"application/json\" id=\"data\">{}</script>\n\
         <script>{script}</script>\n</body>\n</html>\n",
        hash(CSS),
        hash(script),
        escape(title),
        script_safe(&serde_json::to_string(data)?),
    );
    Ok(out)
}

/// What something was played with; what has no value is left out.
pub(super) fn environment<N: AsRef<str>>(
    out: &mut String,
    facts: impl IntoIterator<Item = (N, String)>,
    scenario: &str,
) {
    out.push_str("<section>\n<h2>Environment</h2>\n<dl>\n");
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let name = escape(name.as_ref());
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str("</dl>\n");
    if !scenario.is_empty() {
        let _ = writeln!(
            out,
            "<details><summary>the scenario</summary><pre>{}</pre></details>",
            escape(scenario)
        );
    }
    out.push_str("</section>\n");
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML has no place for them.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JSON that neither ends its script element nor begins a comment in it.
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The style of an outcome.
pub(super) fn class(class: Class) -> &'static str {
    match class {
        Class::Passed => "passed",
        Class::Failed => "failed",
        Class::NotRun => "not-run",
    }
}

/// An iwlbench, as a run or a matrix was kept with it.
pub(super) fn program(kept: &serde_json::Value) -> String {
    let text = |field| kept.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
    match text("commit") {
        "" => text("version").to_owned(),
        commit => format!("{} ({commit})", text("version")),
    }
}
