//! Sets of element numbers: three words of 64 bits, the first element in the highest bit, as bitmaps have it.

use crate::De;

/// The elements of three bitmaps.
pub(crate) type Words = [u64; 3];

/// The element's word, and its bit there. Nothing is element zero.
#[inline(always)]
const fn place(de: De) -> (usize, u64) {
    let index = de.wrapping_sub(1);
    (index as usize / 64, 1 << (63 - index % 64))
}

/// Whether the element is there; none is above the third word.
#[inline(always)]
pub(crate) fn has(words: &Words, de: De) -> bool {
    let (word, bit) = place(de);
    words.get(word).is_some_and(|word| word & bit != 0)
}

#[inline(always)]
pub(crate) fn set(words: &mut Words, de: De) {
    let (word, bit) = place(de);
    words[word] |= bit;
}

#[inline(always)]
pub(crate) fn clear(words: &mut Words, de: De) {
    let (word, bit) = place(de);
    words[word] &= !bit;
}

/// How many elements stand before `de`.
#[inline]
pub(crate) fn rank(words: &Words, de: De) -> usize {
    let (at, bit) = place(de);
    let before: u32 = words.iter().take(at).map(|word| word.count_ones()).sum();
    // The bits above that of the element are those before it.
    let beside = words.get(at).map_or(0, |word| (word & !(bit | (bit - 1))).count_ones());
    (before + beside) as usize
}

/// Takes the first element out of a word: its number from zero on.
#[inline(always)]
pub(crate) const fn take_first(word: &mut u64) -> Option<u32> {
    if *word == 0 {
        return None;
    }
    let lead = word.leading_zeros();
    *word &= !(1 << (63 - lead));
    Some(lead)
}

/// The elements, ascending.
#[inline]
pub(crate) fn elements(words: Words) -> impl Iterator<Item = De> {
    words.into_iter().zip([1, 65, 129]).flat_map(|(mut word, first)| {
        std::iter::from_fn(move || take_first(&mut word).map(|lead| first + lead as De))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_there_in_order_until_it_is_cleared() {
        let all = [2, 11, 63, 64, 65, 66, 128, 129, 192];
        let mut words = [0; 3];
        all.iter().rev().for_each(|de| set(&mut words, *de));
        assert!(elements(words).eq(all));
        for (index, de) in all.into_iter().enumerate() {
            assert_eq!(rank(&words, de), index);
            assert!(has(&words, de));
        }
        assert_eq!((rank(&words, 12), rank(&words, 1)), (2, 0));
        assert!(!has(&words, 0) && !has(&words, 3) && !has(&words, 193) && !has(&words, 255));
        all.iter().for_each(|de| clear(&mut words, *de));
        assert_eq!(words, [0; 3]);
    }
}
