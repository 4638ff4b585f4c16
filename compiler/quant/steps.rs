//! A monotone function of an integer as the list of its steps, found by search on the function itself.
//!
//! In: a function that never decreases, and an interval. Out: [`Steps`], equal to the function at every point of
//! the interval: a search, not a sample.

/// A monotone step function on `from ..= to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// Lowest argument.
    pub(crate) from: i64,
    /// Highest argument.
    pub(crate) to: i64,
    /// Value at `from`.
    pub(crate) first: i32,
    /// Value at `to`.
    pub(crate) last: i32,
    /// `at[i]`: the least argument whose value is above `first + i`; never decreasing, all in `from + 1 ..= to`.
    pub(crate) at: Vec<i64>,
}

impl Steps {
    /// The steps of `f` on `from ..= to` (`from <= to`). `slope` and `intercept` say where to start looking:
    /// f(x) is near x * slope + intercept; a bad guess costs time, never correctness.
    pub(crate) fn find(f: impl Fn(i64) -> i32, from: i64, to: i64, slope: f64, intercept: f64) -> Steps {
        let (first, last) = (f(from), f(to));
        let mut at = Vec::with_capacity(usize::try_from(last - first).unwrap_or(0));
        let mut low = from;
        for k in first..last {
            let guess = (f64::from(k) + 0.5 - intercept) / slope;
            // Float to integer saturates; the clamp keeps the guess inside (NaN becomes 0 first).
            let guess = (guess.ceil() as i64).clamp(low, to);
            low = least_above(&f, k, low, to, guess);
            at.push(low);
        }
        Steps { from, to, first, last, at }
    }

    /// The value at the step at position `i` of `at`, equal arguments merged.
    fn value_after(&self, i: usize) -> i32 {
        // At most 256 steps.
        self.first + i32::try_from(i + 1).unwrap_or(i32::MAX)
    }

    /// Maximal runs of one value: (from, to, value), ascending, covering the interval.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (i64, i64, i32)> + '_ {
        let starts = std::iter::once((self.from, self.first))
            .chain(self.at.iter().enumerate().map(|(i, &t)| (t, self.value_after(i))));
        let ends = self.at.iter().map(|&t| t - 1).chain(std::iter::once(self.to));
        starts.zip(ends).filter(|((s, _), e)| s <= e).map(|((s, v), e)| (s, e, v))
    }

    /// Whether a function that never decreases equals these steps everywhere on the interval: it is enough to
    /// compare at both ends of every run.
    pub(crate) fn proves(&self, f: impl Fn(i64) -> i32) -> bool {
        self.runs().all(|(start, end, value)| f(start) == value && f(end) == value)
    }
}

/// The least x in `low + 1 ..= high` with f(x) > k, given f(low) <= k or low being an earlier step's argument,
/// and f(high) > k.
fn least_above(f: &impl Fn(i64) -> i32, k: i32, low: i64, high: i64, guess: i64) -> i64 {
    // Several values may be passed in one step.
    if f(low) > k {
        return low;
    }
    // Invariant: f(below) <= k < f(above).
    let (mut below, mut above) = (low, high);
    let mut stride = 1i64;
    if f(guess) > k {
        above = guess;
        while above - stride > below {
            if f(above - stride) > k {
                above -= stride;
                stride = stride.saturating_mul(2);
            } else {
                below = above - stride;
            }
        }
    } else {
        below = guess;
        while below + stride < above {
            if f(below + stride) > k {
                above = below + stride;
            } else {
                below += stride;
                stride = stride.saturating_mul(2);
            }
        }
    }
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if f(middle) > k {
            above = middle;
        } else {
            below = middle;
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_step() {
        type Case = (fn(i64) -> i32, i64, i64, f64);
        let cases: [Case; 4] = [
            (|x| i32::try_from(x.div_euclid(7)).unwrap(), -54, 93, 1.0 / 7.0),
            (|x| i32::try_from(x.div_euclid(7)).unwrap(), -50, 93, 1e-9),
            (|x| i32::try_from(x * 3).unwrap().clamp(-20, 20), -30, 30, 3.0),
            (|_| 5, -3, 3, 0.0),
        ];
        for (f, from, to, slope) in cases {
            let steps = Steps::find(f, from, to, slope, 0.0);
            let mut next = from;
            for (start, end, value) in steps.runs() {
                assert_eq!(start, next);
                assert!((start..=end).all(|x| f(x) == value));
                next = end + 1;
            }
            assert_eq!(next, to + 1);
            assert!(steps.proves(f));
            for shifted in [-1, 1] {
                assert!(steps.first == steps.last || !steps.proves(|x| f(x + shifted)));
            }
        }
    }
}
