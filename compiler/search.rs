//! Which array: the fastest that a number of products a cycle and a target allow.
//!
//! In: a network with its proofs, a number of products a cycle, a target. Out: a checked design that fits the target.
//! Guarantees: only arrays that can be built are tried; fewest cycles first, among equal ones fewest products a cycle;
//! the result depends on nothing else. Within a budget of memory on the chip only the [`MOST_TRIED`] arrays are
//! compared that would be the fastest with everything on the chip, more only until one fits; the search ends when the
//! [`MOST_SHORT`] fastest need more.

use crate::design::{Checked, Design};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::int::IntGraph;
use crate::plan::{self, Plan};
use crate::quant::Quantized;
use crate::targets::Target;

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Most products of the array in a cycle.
    pub(crate) macs: usize,
    /// Requantize lanes; `None` for the planner's choice, fewer if the target has too few multipliers.
    pub(crate) lanes: Option<usize>,
    /// The device.
    pub(crate) target: &'static Target,
    /// The top module's name.
    pub(crate) name: &'a str,
    /// Bits of the streams.
    pub(crate) stream_bits: usize,
    /// External memory, if allowed.
    pub(crate) external: Option<plan::external::Options>,
    /// What the array's multipliers are to be.
    pub(crate) multipliers: plan::Wish,
}

impl Wanted<'_> {
    /// What to plan for, with everything on the chip.
    fn plan(&self, array: [usize; 3], lanes: Option<usize>) -> plan::Options {
        let (stream_bits, multipliers) = (self.stream_bits, self.multipliers);
        plan::Options { array, lanes, stream_bits, external: None, multipliers }
    }
}

/// Arrays that do not fit the budget before the search ends.
const MOST_SHORT: usize = 12;
/// Arrays that are tried within a budget, if one of them fits.
const MOST_TRIED: usize = 3;

/// A plan that may be built.
struct Candidate<'a> {
    plan: Plan<'a>,
    /// It fits the budget; else it has everything on the chip.
    within: bool,
}

/// The design with the fewest cycles.
///
/// # Errors
/// The refusal of the smallest array if none is good; that of the one that needs least, if the budget is what all lack.
pub(crate) fn fastest(
    graph: &IntGraph,
    quantized: &Quantized,
    wanted: &Wanted<'_>,
) -> Result<Checked<Design>> {
    let mut refused: Option<Diagnostics> = None;
    let mut plans: Vec<Plan<'_>> = Vec::new();
    for array in plan::arrays(wanted.macs) {
        match plan::plan(graph, quantized, &wanted.plan(array, wanted.lanes)) {
            Ok(plan) => plans.extend(with_fewer_lanes(graph, quantized, wanted, plan)),
            Err(e) => refused = refused.or(Some(e)),
        }
    }
    let size = |p: &Plan<'_>| p.array().iter().product::<usize>();
    let built = |plan: &Plan<'_>| {
        let design = plan.design(wanted.name)?;
        wanted.target.check(&design).map(|()| design)
    };
    let exceeds = |need: usize, limit: usize| limit != 0 && need > limit;
    let smallest = plans.iter().min_by_key(|p| (size(p), p.lanes())).cloned();
    let cells = |p: &Plan<'_>| p.multipliers().hardware(size(p));
    plans.retain(|p| !exceeds(cells(p) + p.lanes(), wanted.target.multipliers));
    // Within a budget a plan has as many cycles as with everything on the chip, or more: the best first.
    let within = wanted.external.is_none();
    let mut candidates: Vec<_> = plans.into_iter().map(|plan| Candidate { plan, within }).collect();
    let order = |c: &Candidate<'_>| (c.plan.cycles(), size(&c.plan), c.plan.lanes(), c.plan.array());
    let (mut short, mut tried): (Vec<Plan<'_>>, _) = (Vec::new(), 0);
    while let Some(best) = (0..candidates.len()).min_by_key(|&i| order(&candidates[i])) {
        let Candidate { plan, within } = candidates.swap_remove(best);
        if let (false, Some(external)) = (within, wanted.external) {
            if tried >= MOST_TRIED && candidates.iter().any(|c| c.within) {
                continue;
            }
            tried += 1;
            match plan.within(external)? {
                Some(plan) => candidates.push(Candidate { plan, within: true }),
                None => short.push(plan),
            }
            if short.len() == MOST_SHORT {
                break;
            }
        // A bound from below, so that a design is made only where it may fit.
        } else if (wanted.external.is_some()
            || !exceeds(plan.least_memory_bits(), wanted.target.memory_bits()))
            && let Ok(design) = built(&plan)
        {
            return Ok(design);
        }
    }
    if let (false, Some(external)) = (short.is_empty(), wanted.external) {
        return Err(plan::refusal(&short, external));
    }
    let none = || {
        let cause = format!("at most {} products a cycle were asked for", wanted.macs);
        Diagnostic::new(code::ARRAY_INVALID, "no array can be built", cause).into()
    };
    Err(smallest.and_then(|p| built(&p).err()).or(refused).unwrap_or_else(none))
}

/// The plan, and where the target's multipliers are counted the same array with fewer lanes.
fn with_fewer_lanes<'a>(
    graph: &'a IntGraph,
    quantized: &'a Quantized,
    wanted: &Wanted<'_>,
    plan: Plan<'a>,
) -> Vec<Plan<'a>> {
    let (array, mut lanes) = (plan.array(), plan.lanes());
    let mut plans = vec![plan];
    while wanted.lanes.is_none() && wanted.target.multipliers != 0 && lanes > 1 {
        lanes /= 2;
        plans.extend(plan::plan(graph, quantized, &wanted.plan(array, Some(lanes))));
    }
    plans
}
