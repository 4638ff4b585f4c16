//! Few different shifts in a network: the cheap lane's shift may grow as long as its multiplier fits.
//!
//! In: solved layers, each channel with its smallest shift. Out: the same functions with the fewest distinct shifts
//! that the widest multiplier of the network allows (intervals stabbed greedily, which is optimal).

use std::collections::BTreeMap;

use super::LayerQuant;
use super::offset::{self, MAX_SHIFT};
use crate::arith::lane::Channel;
use crate::graph::NodeId;

/// Raises shifts so that as few different ones as possible remain; multiplier width stays what it is.
pub(crate) fn share_shifts(layers: &mut BTreeMap<NodeId, LayerQuant>) {
    let all = || layers.values().filter(|l| l.tables.is_none()).flat_map(|l| &l.channels);
    let width = all().map(|c| c.multiplier_bits()).max().unwrap_or(0);
    // Constants (m = 0) and the identity have no shift to share.
    let reach = |c: &Channel| match *c {
        Channel::Offset { m, shift, .. } if m > 0 && *c != Channel::IDENTITY => {
            let room = u8::try_from(width.saturating_sub(c.multiplier_bits())).unwrap_or(0);
            Some((shift, shift.saturating_add(room).min(MAX_SHIFT)))
        }
        Channel::Offset { .. } | Channel::Exact { .. } => None,
    };
    let mut intervals: Vec<(u8, u8)> = all().filter_map(reach).map(|(from, to)| (to, from)).collect();
    intervals.sort_unstable();
    let mut chosen: Vec<u8> = Vec::new();
    for (to, from) in intervals {
        if chosen.last().is_none_or(|&c| c < from) {
            chosen.push(to);
        }
    }
    for channel in layers.values_mut().filter(|l| l.tables.is_none()).flat_map(|l| &mut l.channels) {
        let Some((from, to)) = reach(channel) else { continue };
        let target = chosen.iter().copied().find(|c| (from..=to).contains(c));
        if let Some(wider) = target.and_then(|t| offset::widen(*channel, t - from)) {
            *channel = wider;
        }
    }
}
