//! Which array: the fastest that a number of multipliers and a target allow.
//!
//! In: a network with its proofs, a number of multipliers, a target. Out: a checked design that fits the target.
//! Guarantees: only arrays that can be built are tried; fewest cycles first, among equal ones fewest multipliers;
//! the result depends on nothing else.

use crate::design::{Checked, Design};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::int::IntGraph;
use crate::plan::{self, Plan};
use crate::quant::Quantized;
use crate::targets::Target;

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Most multipliers of the array.
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
}

/// The design with the fewest cycles.
///
/// # Errors
/// The refusal of the smallest array if none is good.
pub(crate) fn fastest(
    graph: &IntGraph,
    quantized: &Quantized,
    wanted: &Wanted<'_>,
) -> Result<Checked<Design>> {
    let mut refused: Option<Diagnostics> = None;
    let mut plans: Vec<Plan<'_>> = Vec::new();
    for array in plan::arrays(wanted.macs) {
        let shape = plan::Options { array, lanes: wanted.lanes, external: wanted.external };
        match plan::plan(graph, quantized, &shape) {
            Ok(plan) => plans.extend(with_fewer_lanes(graph, quantized, wanted, plan)),
            Err(e) => refused = refused.or(Some(e)),
        }
    }
    let size = |p: &Plan<'_>| p.array().iter().product::<usize>();
    plans.sort_by_key(|p| (p.cycles(), size(p), p.lanes(), p.array()));
    let built = |plan: &Plan<'_>| {
        let design = plan.design(wanted.name, wanted.stream_bits)?;
        wanted.target.check(&design).map(|()| design)
    };
    let exceeds = |need: usize, limit: usize| limit != 0 && need > limit;
    for plan in &plans {
        // Bounds from below, so that a design is made only where it may fit.
        if exceeds(size(plan) + plan.lanes(), wanted.target.multipliers)
            || exceeds(plan.least_memory_bits(), wanted.target.memory_bits())
        {
            continue;
        }
        if let Ok(design) = built(plan) {
            return Ok(design);
        }
    }
    let smallest = plans.iter().min_by_key(|p| (size(p), p.lanes()));
    let none = || {
        let cause = format!("at most {} multipliers were asked for", wanted.macs);
        Diagnostic::new(code::ARRAY_INVALID, "no array can be built", cause).into()
    };
    Err(smallest.and_then(|p| built(p).err()).or(refused).unwrap_or_else(none))
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
        plans.extend(plan::plan(
            graph,
            quantized,
            &plan::Options { array, lanes: Some(lanes), external: wanted.external },
        ));
    }
    plans
}
