//! Which step a run was at.

use crate::facts::timeline::{BenchEvent, Event, What};

/// Steps by their numbers, from 1, and names.
type Named<'a> = (usize, &'a str);

/// The step that was at work when the events ended, and the one that had ended before it: to be put after
/// what happened.
pub fn at_hand(events: &[Event]) -> String {
    let mut running: Vec<Named<'_>> = Vec::new();
    let mut last: Option<Named<'_>> = None;
    for event in events {
        match &event.what {
            What::Bench(BenchEvent::StepStarted { index, step, .. }) => {
                running.push((*index + 1, step));
            }
            What::Bench(BenchEvent::StepEnded { index, step, .. }) => {
                running.retain(|(number, _)| *number != *index + 1);
                last = Some((*index + 1, step));
            }
            _ => {}
        }
    }
    let named = |(number, step): &Named<'_>| format!("step {number} ({step})");
    let running = running.last().map(|step| format!("during {}", named(step)));
    let last = last.map(|step| format!("after {}", named(&step)));
    let parts: Vec<_> = running.into_iter().chain(last).collect();
    if parts.is_empty() { String::new() } else { format!(", {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::timeline::Source;

    #[test]
    fn the_step_at_hand_is_named_and_the_one_before_it() {
        let started = |index, step: &str| BenchEvent::StepStarted {
            index,
            step: step.into(),
            unbinds: false,
        };
        let ended = |index, step: &str| {
            let step = step.into();
            BenchEvent::StepEnded { index, step, error: None, wanted: false }
        };
        let told = |what: Vec<BenchEvent>| {
            let event = |what| Event::sample(0, Source::Bench, What::Bench(what));
            at_hand(&what.into_iter().map(event).collect::<Vec<_>>())
        };
        let write = || vec![started(0, "write")];
        assert_eq!(told(vec![]), "");
        assert_eq!(told(write()), ", during step 1 (write)");
        let ended_write = || [write(), vec![ended(0, "write")]].concat();
        assert_eq!(told(ended_write()), ", after step 1 (write)");
        let awaits = started(1, "await unbound");
        let all = [ended_write(), vec![awaits]].concat();
        assert_eq!(told(all), ", during step 2 (await unbound), after step 1 (write)");
    }
}
