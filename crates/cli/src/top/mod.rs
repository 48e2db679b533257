//! `top`: how a running switch is doing, live.

mod screen;
#[cfg(test)]
mod tests;
mod view;

use crate::arguments::{Output, TopOptions};
use crate::{Verdict, admin, output};
use anyhow::{Context, Result, bail};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use screen::{Screen, WIDTH_MIN, text_of};
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};
use switchyard_server::Overview;
use view::{Samples, View};

/// What a person chose.
#[derive(Debug, Default)]
struct Choice {
    selected: usize,
    paused: bool,
    help: bool,
}

/// What a key asks for beyond another look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Quit,
}

pub(crate) fn run(options: &TopOptions, data: &Path, form: Output) -> Result<Verdict> {
    let interval = Duration::from_millis(options.interval_ms);
    let mut samples = Samples::default();
    samples.push(sample(data)?);
    if options.once || form == Output::Json || !std::io::stdout().is_terminal() {
        std::thread::sleep(interval);
        samples.push(sample(data)?);
        return print(&samples.view().context("two samples are there")?, form);
    }
    let mut terminal = ratatui::try_init().context("this terminal cannot be drawn on: use --once")?;
    let watched = watch(&mut terminal, samples, data, interval);
    ratatui::restore();
    watched.map(|()| Verdict::Fine)
}

/// What the switch says about itself now.
fn sample(data: &Path) -> Result<Overview> {
    let Some(overview) = admin::told_by_running(data, "overview", "overview")? else {
        bail!("no switch serves {}: start one with `switchyard serve`", data.display());
    };
    serde_json::from_value(overview).context("the switch speaks another version of this")
}

/// Once, for people or for programs.
fn print(view: &View, form: Output) -> Result<Verdict> {
    if form == Output::Json {
        output::json(&serde_json::to_value(view)?)?;
        return Ok(Verdict::Fine);
    }
    let screen = Screen { view, selected: 0, paused: false, help: false, trouble: None, colour: false };
    let mut buffer = Buffer::empty(Rect::new(0, 0, WIDTH_MIN + 20, screen.height()));
    screen.render(buffer.area, &mut buffer);
    let text = text_of(&buffer);
    // The last line names keys, which mean nothing on paper.
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    output::line(&lines[..lines.len().saturating_sub(1)].join("\n"))?;
    Ok(Verdict::Fine)
}

/// Draws until somebody quits.
fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    mut samples: Samples,
    data: &Path,
    interval: Duration,
) -> Result<()> {
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (mut choice, mut trouble) = (Choice::default(), None::<String>);
    let mut due = Instant::now() + interval;
    loop {
        let view = samples.view().context("a sample is there")?;
        choice.selected = choice.selected.min(view.links.len().saturating_sub(1));
        terminal.draw(|frame| {
            let Choice { selected, paused, help } = choice;
            let trouble = trouble.as_deref();
            frame.render_widget(
                &Screen { view: &view, selected, paused, help, trouble, colour },
                frame.area(),
            );
        })?;
        if event::poll(due.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Key(key) if pressed(key, &mut choice) == Next::Quit => return Ok(()),
                _ => continue,
            }
        }
        due = Instant::now() + interval;
        if !choice.paused {
            trouble = match sample(data) {
                Ok(sample) => {
                    samples.push(sample);
                    None
                }
                // The last numbers stay on the screen: a switch may be starting again.
                Err(_) => Some("the switch does not answer".to_owned()),
            };
        }
    }
}

fn pressed(key: KeyEvent, choice: &mut Choice) -> Next {
    if key.kind == KeyEventKind::Release {
        return Next::Go;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::Quit,
        KeyCode::Char('q') => return Next::Quit,
        // Escape leaves the help first.
        KeyCode::Esc if !choice.help => return Next::Quit,
        KeyCode::Esc => choice.help = false,
        KeyCode::Char('?') => choice.help = !choice.help,
        KeyCode::Char('p' | ' ') => choice.paused = !choice.paused,
        KeyCode::Up | KeyCode::Char('k') => choice.selected = choice.selected.saturating_sub(1),
        // What is beyond the last link is brought back when the screen is drawn.
        KeyCode::Down | KeyCode::Char('j') => choice.selected = choice.selected.saturating_add(1),
        _ => {}
    }
    Next::Go
}
