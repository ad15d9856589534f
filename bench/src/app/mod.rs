//! The program: command line, commands, and what a terminal shows.

pub mod cli;
pub mod commands;
pub mod terminal;
pub mod ui;
