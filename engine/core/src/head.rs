//! Where a ref stands: its *head generation* grows whenever its head is seen to change, so that one push is one run however
//! often it is told, and a head that comes back is another one.

use crate::delivery::Revision;

/// One change of a ref's head, as it was told or seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadMove {
    /// Counts the moves of a ref from 1.
    pub generation: u64,
    /// The head before it; none if it was not told.
    pub before: Option<Revision>,
    /// The head after it; none when the ref is gone.
    pub after: Option<Revision>,
    /// Whether somebody told of it; otherwise only a fetch found its head, and whoever tells of it may still be on the way.
    pub told: bool,
}

/// What a told move is to the history of its ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placing {
    /// It is the newest move once more. `learns` says that its `before`, or that it was told, was not known until now.
    Same {
        /// The generation of that move.
        generation: u64,
        /// Whether that is to be written down.
        learns: bool,
    },
    /// It is another move than the newest.
    Next {
        /// Its generation.
        generation: u64,
        /// The generation of an earlier move from and to the same heads.
        earlier: Option<u64>,
    },
}

impl Placing {
    /// The generation that the move has.
    pub fn generation(&self) -> u64 {
        match self {
            Self::Same { generation, .. } | Self::Next { generation, .. } => *generation,
        }
    }
}

/// Places a told move. `newest` is the newest move that has not turned out to be late, `last` the greatest generation given
/// so far, `alike` the newest move with the same two heads.
pub fn place(
    newest: Option<&HeadMove>,
    last: u64,
    alike: Option<u64>,
    before: Option<&Revision>,
    after: Option<&Revision>,
) -> Placing {
    if let Some(newest) = newest
        && newest.after.as_ref() == after
    {
        let unknown = newest.before.is_none();
        if unknown || before.is_none() || newest.before.as_ref() == before {
            let learns = !newest.told || unknown && before.is_some();
            return Placing::Same { generation: newest.generation, learns };
        }
    }
    Placing::Next { generation: last + 1, earlier: alike }
}

/// Whether a head that a fetch found is one that nobody told of. A forge that answers late may still show the head before the
/// newest move: that is no change.
pub fn is_news(newest: Option<&HeadMove>, found: &Revision) -> bool {
    newest.is_none_or(|newest| newest.after.as_ref() != Some(found) && newest.before.as_ref() != Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(digit: &str) -> Option<Revision> {
        (!digit.is_empty()).then(|| Revision::new(digit.repeat(40)).unwrap())
    }

    /// A history as an inbox keeps it; a head is a digit, and the empty text is none.
    #[derive(Default)]
    struct Ref(Vec<HeadMove>);

    impl Ref {
        fn tell(&mut self, before: &str, after: &str) -> Placing {
            let (before, after) = (head(before), head(after));
            let alike = self.0.iter().rev().find(|m| m.before == before && m.after == after);
            let alike = alike.map(|m| m.generation);
            let placing = place(self.0.last(), self.0.len() as u64, alike, before.as_ref(), after.as_ref());
            match placing {
                Placing::Next { generation, .. } => {
                    self.0.push(HeadMove { generation, before, after, told: true });
                }
                Placing::Same { learns: true, .. } => self.0.last_mut().unwrap().before = before,
                Placing::Same { .. } => {}
            }
            placing
        }
    }

    #[test]
    fn a_move_told_twice_is_one_and_one_that_comes_back_is_another() {
        for (name, moves, expected) in [
            ("doubled", vec![("a", "b"), ("a", "b")], vec![1, 1]),
            ("forced back and forth", vec![("a", "b"), ("b", "a"), ("a", "b")], vec![1, 2, 3]),
            ("in quick succession", vec![("a", "b"), ("b", "c")], vec![1, 2]),
            ("a pull request has no before", vec![("", "b"), ("", "b"), ("", "c")], vec![1, 1, 2]),
            ("gone and back", vec![("", "a"), ("a", ""), ("", "a")], vec![1, 2, 3]),
            ("to the same head from elsewhere", vec![("a", "b"), ("c", "b")], vec![1, 2]),
        ] {
            let mut one = Ref::default();
            let found: Vec<_> = moves.iter().map(|(from, to)| one.tell(from, to).generation()).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_head_that_was_seen_first_learns_where_it_came_from() {
        let mut one = Ref::default();
        one.tell("", "b");
        assert_eq!(one.tell("a", "b"), Placing::Same { generation: 1, learns: true });
        assert_eq!(one.tell("a", "b"), Placing::Same { generation: 1, learns: false });
    }

    #[test]
    fn a_head_that_only_a_fetch_found_learns_that_it_was_told() {
        let found = HeadMove { generation: 1, before: None, after: head("b"), told: false };
        for before in [None, head("a")] {
            let placing = place(Some(&found), 1, None, before.as_ref(), head("b").as_ref());
            assert_eq!(placing, Placing::Same { generation: 1, learns: true });
        }
    }

    #[test]
    fn a_repeated_move_says_which_one_it_repeats() {
        let mut one = Ref::default();
        one.tell("a", "b");
        one.tell("b", "c");
        assert_eq!(one.tell("a", "b"), Placing::Next { generation: 3, earlier: Some(1) });
    }

    #[test]
    fn what_a_fetch_finds_is_news_unless_it_is_the_head_or_the_one_before() {
        let newest = HeadMove { generation: 1, before: head("a"), after: head("b"), told: true };
        let news = |digit| is_news(Some(&newest), &head(digit).unwrap());
        assert!(!news("b") && !news("a") && news("c"));
        assert!(is_news(None, &head("a").unwrap()));
    }
}
