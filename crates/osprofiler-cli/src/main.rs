//! The `osprofiler` command line. Thin: the work is done by the crates it is made of.

mod args;
mod commands;
mod demo;
mod output;
mod store;

use std::env;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Args, Command, TraceCommand};

/// What went wrong while a command ran.
const FAILURE: u8 = 1;
/// The command was called wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return answer_without_running(&error),
    };
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<output::ReaderGone>() => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(FAILURE)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Trace { command: TraceCommand::Show(args) } => commands::show(&args),
        Command::Trace { command: TraceCommand::List(args) } => commands::list(&args),
        Command::Trace { command: TraceCommand::Import(args) } => commands::import(&args),
        Command::Trace { command: TraceCommand::Delete(args) } => commands::delete(&args),
        Command::Headers(args) => commands::headers(&args),
        Command::Request(args) => commands::request(&args),
        Command::Ui(args) => commands::ui(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoService(args) => demo::serve(&args),
    }
}

/// Help and version go to standard output; a mistake gets one line that says what to do.
fn answer_without_running(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Fails only if nobody reads it.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(USAGE)
        }
        _ => {
            output::complain(&args::one_line(
                error,
                env::args_os().map(|word| word.to_string_lossy().into_owned()),
            ));
            ExitCode::from(USAGE)
        }
    }
}
