//! What `top` draws.

use super::view::{LinkView, Micros, Rate, Uptime, View};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, Widget};

/// Least width that everything fits into.
pub(super) const WIDTH_MIN: u16 = 80;
/// Least height: the head, a link with its details, a few reasons.
pub(super) const HEIGHT_MIN: u16 = 18;
/// Lines of the head.
const HEAD: u16 = 4;
/// Lines of the details of a link.
const DETAIL: u16 = 4;

/// A screen to be drawn.
#[derive(Debug)]
pub(super) struct Screen<'a> {
    pub(super) view: &'a View,
    /// Which link the details are of.
    pub(super) selected: usize,
    pub(super) paused: bool,
    pub(super) help: bool,
    /// Why there are no newer numbers.
    pub(super) trouble: Option<&'a str>,
    /// Whether colours may be used.
    pub(super) colour: bool,
}

impl Screen<'_> {
    /// Lines that show every link and every reason.
    pub(super) fn height(&self) -> u16 {
        let rows = self.view.links.len() + self.view.declines.len();
        HEIGHT_MIN.max(u16::try_from(rows).unwrap_or(u16::MAX / 2).saturating_add(HEAD + DETAIL + 6))
    }

    fn paint(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// A number that is to be nothing.
    fn alarm(&self, count: usize) -> Style {
        if count > 0 { self.paint(Color::Red).add_modifier(Modifier::BOLD) } else { Style::new() }
    }

    fn head(&self) -> Vec<Line<'_>> {
        let view = self.view;
        let well = view.phase == "serving" && self.trouble.is_none();
        let phase = Span::styled(&*view.phase, self.paint(if well { Color::Green } else { Color::Red }));
        let mut first = vec!["switchyard  ".into(), phase];
        first.push(
            format!("  day {}  up {}", view.day.as_deref().unwrap_or("-"), Uptime(view.uptime_ms)).into(),
        );
        if self.paused {
            first.push(Span::styled("  paused", self.paint(Color::Yellow).add_modifier(Modifier::BOLD)));
        }
        if let Some(trouble) = self.trouble {
            first.push(Span::styled(format!("  {trouble}"), self.paint(Color::Red)));
        }
        let approved =
            view.approved_permille.map_or("-".to_owned(), |share| format!("{}.{} %", share / 10, share % 10));
        let second = format!(
            "requests {:<10} approved {:<8} p50 {:<8} p99 {:<8} connections {}/{}",
            Rate(view.requests_per_s).to_string(),
            approved,
            Micros(view.latency_us.p50).to_string(),
            Micros(view.latency_us.p99).to_string(),
            view.connections,
            view.terminals,
        );
        let third = format!(
            "records {:<11} sync {:<12} queues: core {:<6} keys {:<6}",
            Rate(view.records_per_s).to_string(),
            Micros(Some(view.sync_us)).to_string(),
            view.core_queue,
            view.key_queue,
        );
        let mut fourth = vec![
            format!("unresolved {:<6} saf waiting {:<6}", view.unresolved, view.saf_waiting).into(),
            Span::styled(format!("dead {:<5}", view.saf_dead), self.alarm(view.saf_dead)),
            format!("payouts held {:<4}", view.payouts_held).into(),
        ];
        if !view.hsm_up {
            fourth.push(Span::styled(" NO HSM", self.alarm(1)));
        }
        if view.ledger_full {
            fourth.push(Span::styled(" DISK FULL", self.alarm(1)));
        }
        vec![Line::from(first), second.into(), third.into(), Line::from(fourth)]
    }

    fn links(&self, area: Rect, buffer: &mut Buffer) {
        let links = &self.view.links;
        let room = usize::from(area.height.saturating_sub(2));
        // The selected one is always among those shown.
        let first = (self.selected + 1).saturating_sub(room);
        let rows = links.iter().enumerate().skip(first).map(|(index, link)| {
            let row = self.link(link);
            if index == self.selected {
                row.style(Style::new().add_modifier(Modifier::REVERSED))
            } else {
                row
            }
        });
        let widths = [
            Constraint::Min(12),
            Constraint::Length(9),
            Constraint::Length(6),
            Constraint::Length(6),
            Constraint::Length(5),
            Constraint::Length(5),
            Constraint::Length(9),
            Constraint::Length(7),
            Constraint::Length(7),
            Constraint::Length(5),
        ];
        let head = ["link", "state", "flight", "queue", "saf", "dead", "answers", "p50", "p99", "t/o"];
        let head = Row::new(head).style(Style::new().add_modifier(Modifier::BOLD));
        let title = format!(" links {}/{} ", (self.selected + 1).min(links.len()), links.len());
        Table::new(rows, widths)
            .header(head)
            .column_spacing(1)
            .block(Block::new().borders(Borders::TOP).title(title))
            .render(area, buffer);
    }

    fn link(&self, link: &LinkView) -> Row<'_> {
        let colour = match (link.status.as_str(), link.mode.as_str()) {
            ("signed-on", _) if !link.is_short() => Color::Green,
            ("signed-on", _) => Color::Yellow,
            (_, "up") => Color::Red,
            _ => Color::Yellow,
        };
        Row::new([
            Cell::from(link.name.clone()),
            Cell::from(Span::styled(link.state(), self.paint(colour))),
            Cell::from(link.in_flight.to_string()),
            Cell::from(link.queue.to_string()),
            Cell::from(link.saf_waiting.to_string()),
            Cell::from(Span::styled(link.saf_dead.to_string(), self.alarm(link.saf_dead))),
            Cell::from(Rate(link.answers_per_s).to_string()),
            Cell::from(Micros(link.latency_us.p50).to_string()),
            Cell::from(Micros(link.latency_us.p99).to_string()),
            Cell::from(link.timeouts.to_string()),
        ])
    }

    fn detail(&self) -> Vec<Line<'_>> {
        let Some(link) = self.view.links.get(self.selected) else { return vec!["no links".into()] };
        let answers = link.answers.iter().map(|(class, count)| format!("{class} {count}"));
        vec![
            format!("{}: by order {}, {}; since the start:", link.name, link.mode, link.status).into(),
            format!(
                "sent {}  received {}  came back unsent {}  unmatched {}  connections lost {}",
                link.sent, link.received, link.unsent, link.unmatched, link.lost
            )
            .into(),
            format!("answers: {}", answers.collect::<Vec<_>>().join("  ")).into(),
        ]
    }

    fn declines(&self, area: Rect, buffer: &mut Buffer) {
        let most = self.view.declines.iter().map(|decline| decline.per_s).fold(0.0, f64::max);
        let rows = self.view.declines.iter().map(|decline| {
            let bar = if most > 0.0 { (decline.per_s / most * 16.0).ceil() as usize } else { 0 };
            Row::new([
                Cell::from(decline.code.clone()),
                Cell::from(decline.meaning),
                Cell::from(Rate(decline.per_s).to_string()),
                Cell::from(decline.total.to_string()),
                Cell::from(Span::styled("#".repeat(bar), self.paint(Color::Yellow))),
            ])
        });
        let widths = [
            Constraint::Length(5),
            Constraint::Min(30),
            Constraint::Length(9),
            Constraint::Length(10),
            Constraint::Length(16),
        ];
        let head = Row::new(["code", "declined because", "rate", "total", ""]);
        let title = format!(" declines of the last {} s ", self.view.window_ms.div_ceil(1_000));
        Table::new(rows, widths)
            .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
            .block(Block::new().borders(Borders::TOP).title(title))
            .render(area, buffer);
    }
}

impl Widget for &Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
            let text = format!(
                "This window is {} by {}: top needs {WIDTH_MIN} by {HEIGHT_MIN}. q quits.",
                area.width, area.height
            );
            return Paragraph::new(text).render(area, buffer);
        }
        let wanted = u16::try_from(self.view.links.len()).unwrap_or(u16::MAX).saturating_add(2);
        let rest = area.height - HEAD - DETAIL - 1;
        let [head, links, detail, declines, foot] = Layout::vertical([
            Constraint::Length(HEAD),
            Constraint::Length(wanted.min(rest * 2 / 3).max(3)),
            Constraint::Length(DETAIL),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(area);
        Paragraph::new(self.head()).render(head, buffer);
        self.links(links, buffer);
        Paragraph::new(self.detail()).block(Block::new().borders(Borders::TOP)).render(detail, buffer);
        self.declines(declines, buffer);
        Paragraph::new("q quit  up/down link  p pause  ? help").render(foot, buffer);
        if self.help {
            help(area, buffer);
        }
    }
}

fn help(area: Rect, buffer: &mut Buffer) {
    let lines = [
        "q, Esc, Ctrl-C   quit",
        "up, down, k, j   choose the link whose details are shown",
        "p, space         stop and go on",
        "?                this help",
        "",
        "flight   transactions that wait for the link's answer",
        "queue    messages that wait to be sent",
        "saf      reversals and advices that wait; dead: for an operator",
        "t/o      requests since the start that nobody answered in time",
        "sync     the last group commit; unresolved: outcome not known yet",
    ];
    let (width, height) = (70.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    let place = Rect { x, y, width, height };
    Clear.render(place, buffer);
    Paragraph::new(lines.map(Line::from).to_vec())
        .block(Block::bordered().title(" help "))
        .render(place, buffer);
}

/// A buffer as lines of text.
pub(super) fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let rows =
        buffer.content.chunks(width).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| format!("{}\n", row.trim_end())).collect()
}
