//! The screen as it is drawn, and what keys do.

use super::view::tests::sample;
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

fn view() -> View {
    let mut samples = Samples::default();
    (1..=10).for_each(|second| samples.push(sample(second)));
    samples.view().unwrap()
}

/// Draws into a terminal that is none.
fn drawn(width: u16, height: u16, change: impl FnOnce(&mut Screen<'_>)) -> Buffer {
    let view = view();
    let mut screen =
        Screen { view: &view, selected: 0, paused: false, help: false, trouble: None, colour: true };
    change(&mut screen);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.render_widget(&screen, frame.area())).unwrap();
    terminal.backend().buffer().clone()
}

/// The screen in a file, which UPDATE_GENERATED=1 writes anew.
#[test]
fn the_screen_is_the_one_that_is_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/top/golden.txt");
    let have = text_of(&drawn(80, 24, |_| {}));
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, &have).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), have);
}

#[test]
fn every_size_is_drawn_and_a_small_window_is_told_what_is_needed() {
    for (width, height) in [(1, 1), (79, 40), (80, 17), (80, 18), (81, 25), (200, 60), (300, 18)] {
        let text = text_of(&drawn(width, height, |screen| screen.help = height % 2 == 0));
        let fits = width >= 80 && height >= 18;
        assert_eq!(text.contains("harbour") || text.contains(" help "), fits, "{width} by {height}\n{text}");
    }
    let text = text_of(&drawn(60, 18, |_| {}));
    assert!(text.contains("60 by 18: top needs 80 by 18"), "{text}");
}

#[test]
fn without_colour_there_is_none() {
    let coloured = |buffer: &Buffer| {
        buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(&drawn(80, 24, |_| {})));
    assert!(!coloured(&drawn(80, 24, |screen| (screen.colour, screen.paused) = (false, true))));
}

#[test]
fn the_selected_link_is_shown_with_its_details_however_many_there_are() {
    let mut view = view();
    let template = view.links[0].clone();
    view.links =
        (0..40).map(|n| view::LinkView { name: format!("link-{n:02}"), ..template.clone() }).collect();
    for selected in [0, 5, 39] {
        let screen =
            Screen { view: &view, selected, paused: false, help: false, trouble: None, colour: false };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 90, 24));
        screen.render(buffer.area, &mut buffer);
        let text = text_of(&buffer);
        assert_eq!(text.matches(&format!("link-{selected:02}")).count(), 2, "{text}");
    }
}

#[test]
fn keys_do_what_the_help_says() {
    let mut choice = Choice::default();
    let mut press = |code, modifiers| pressed(KeyEvent::new(code, modifiers), &mut choice);
    let none = KeyModifiers::NONE;
    assert_eq!(press(KeyCode::Down, none), Next::Go);
    assert_eq!(press(KeyCode::Char('j'), none), Next::Go);
    assert_eq!(press(KeyCode::Up, none), Next::Go);
    assert_eq!(press(KeyCode::Char('p'), none), Next::Go);
    assert_eq!(press(KeyCode::Char('?'), none), Next::Go);
    assert_eq!(press(KeyCode::Esc, none), Next::Go, "the help goes first");
    assert_eq!(press(KeyCode::Esc, none), Next::Quit);
    assert_eq!(press(KeyCode::Char('q'), none), Next::Quit);
    assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Next::Quit);
    assert!((choice.selected, choice.paused, choice.help) == (1, true, false));
}
