//! Which range of card numbers a number is in, by halving. Ranges may lie in one another; the narrowest counts, and
//! of equally narrow ones the lower, then the earlier.

use std::collections::BTreeSet;
use switchyard_domain::Route;

/// From the start of each stretch of numbers on, the route that holds it.
#[derive(Debug, Default)]
pub(crate) struct Ranges(Vec<(u64, Option<u32>)>);

impl Ranges {
    /// Takes routes sorted by width, narrowest first.
    pub(crate) fn of(routes: &[Route]) -> Self {
        let mut edges: Vec<(u64, bool, u32)> = Vec::with_capacity(routes.len() * 2);
        for (route, index) in routes.iter().zip(0_u32..) {
            edges.push((route.low, true, index));
            if let Some(end) = route.high.checked_add(1) {
                edges.push((end, false, index));
            }
        }
        edges.sort_unstable();
        let mut open = BTreeSet::new();
        let mut stretches: Vec<(u64, Option<u32>)> = Vec::new();
        for (at, begins, index) in edges {
            if begins {
                open.insert(index);
            } else {
                open.remove(&index);
            }
            let narrowest = open.first().copied();
            match stretches.last_mut() {
                Some((start, route)) if *start == at => *route = narrowest,
                _ => stretches.push((at, narrowest)),
            }
        }
        stretches.dedup_by_key(|(_, route)| *route);
        Self(stretches)
    }

    /// The place of the route among those that this was made of.
    pub(crate) fn find(&self, number: u64) -> Option<usize> {
        let after = self.0.partition_point(|(start, _)| *start <= number);
        self.0.get(after.checked_sub(1)?)?.1.map(|index| index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use switchyard_domain::{CardClass, RouteTarget};

    fn route(low: u64, high: u64) -> Route {
        Route { low, high, class: CardClass::Debit.into(), target: RouteTarget::OnUs, issuer: 0 }
    }

    proptest! {
        #[test]
        fn halving_finds_what_looking_at_all_finds(ends in prop::collection::vec((0_u64..60, 0_u64..30), 0..40)) {
            let mut routes: Vec<Route> = ends.iter().map(|(low, width)| route(*low, low + width)).collect();
            routes.push(route(50, u64::MAX));
            routes.sort_by_key(|r| (r.high - r.low, r.low));
            let ranges = Ranges::of(&routes);
            for number in (0..120).chain([u64::MAX]) {
                let slow = routes.iter().position(|r| r.low <= number && number <= r.high);
                prop_assert_eq!(ranges.find(number), slow, "{}", number);
            }
        }
    }
}
