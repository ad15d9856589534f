//! `iwlbench compare`.

use std::process::ExitCode;

use serde::Serialize;

use crate::app::cli::CompareArgs;
use crate::app::commands::{
    self,
    report::{matrix_below, usage},
};
use crate::app::ui::Ui;
use crate::facts::failure::BadUsage;
use crate::record::rundir;
use crate::report::baseline::Changes;
use crate::report::compare::Comparison;
use crate::report::matrix::Matrix;
use crate::report::{Run, locate, render};

/// Puts two runs beside each other, or two matrices.
pub fn compare(args: &CompareArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let place = |name: &str| -> anyhow::Result<_> {
        Ok(matrix_below(locate(name, &parent).map_err(usage)?)?)
    };
    let [left, right] = [place(&args.left)?, place(&args.right)?];
    match (Matrix::is_at(&left), Matrix::is_at(&right)) {
        (true, true) => {
            let [before, now] =
                [Matrix::read(&left).map_err(usage)?, Matrix::read(&right).map_err(usage)?];
            let changes = Changes::between(&before, &now);
            match args.json {
                true => commands::json(&Document { format: 1, changes: &changes })?,
                false => commands::print(&render::changes(&changes, ui.look))?,
            }
        }
        (false, false) => {
            let [left, right] =
                [Run::read(&left).map_err(usage)?, Run::read(&right).map_err(usage)?];
            let comparison = Comparison::of(&left, &right, args.whole || args.json);
            match args.json {
                true => commands::json(&comparison)?,
                false => commands::print(&comparison.text(ui.look))?,
            }
        }
        (is_matrix, _) => {
            let of = |is_matrix| if is_matrix { "a matrix" } else { "a run" };
            let (left, right) = (left.display(), right.display());
            let (one, other) = (of(is_matrix), of(!is_matrix));
            return Err(
                BadUsage(format!("{left} is {one}, {right} {other}: name two of a kind")).into()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Two matrices, as JSON.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    #[serde(flatten)]
    changes: &'a Changes,
}
