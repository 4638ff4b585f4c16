//! One node to its integer form.

use rayon::prelude::*;

use super::fixed::{FixedFormat, FixedReport};
use super::interval::{self, Interval, Operand, hull};
use super::steps::Steps;
use super::{LaneKind, LayerQuant, Tables, add, affine, average, epilogue, offset, product, signed_bits};
use crate::arith::lane::Channel;
use crate::arith::{AddForm, AddSpec, RescaleSpec, requantize};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::NodeId;
use crate::graph::int::{Conv, ConvForm, IntGraph, IntOp, QFact, Table, TableSource};

/// A node's place in diagnostics and its operands' facts.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    kind: &'static str,
    x: Option<(&'a QFact, Interval)>,
}

impl Place<'_> {
    pub(super) fn fault(
        &self,
        code: crate::diag::Code,
        message: &str,
        cause: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, message, cause).at(format!("node \"{}\" ({})", self.name, self.kind))
    }

    /// The first operand, which every kernel here has.
    pub(super) fn operand(&self) -> Result<(&QFact, Operand)> {
        match self.x {
            Some((fact, range)) => Ok((fact, Operand { range, zero_point: i64::from(fact.zero_point) })),
            None => Err(self.fault(code::INTERNAL, "a node has no operand", "quant::solve").into()),
        }
    }

    pub(super) fn bounds(&self, lo: i32, hi: i32) -> Result<()> {
        if -128 <= lo && lo <= hi && hi <= 127 {
            return Ok(());
        }
        let cause = format!("the bounds are {lo} and {hi}; they must be ordered and within -128 and 127");
        Err(self.fault(code::WIDTH_UNSUPPORTED, "the output's bounds are not 8-bit", cause).into())
    }

    /// A zero point that an 8-bit tensor can have, in the file's or the canonical numbering.
    pub(super) fn zero_point(&self, zero_point: i32) -> Result<()> {
        if (-128..=255).contains(&zero_point) {
            return Ok(());
        }
        let cause = format!("the zero point is {zero_point}");
        Err(self.fault(code::SCALE_INVALID, "a zero point is not 8-bit", cause).into())
    }

    /// A scale that the formulas hold for.
    pub(super) fn scale(&self, what: &str, scale: f32, zero_allowed: bool) -> Result<()> {
        if scale.is_finite() && (scale > 0.0 || (zero_allowed && scale == 0.0)) {
            return Ok(());
        }
        let cause = format!("the {what} is {scale}");
        Err(self.fault(code::SCALE_INVALID, "a scale is not valid", cause).into())
    }
}

/// The integer form of a node; `None` for inputs and outputs. `operands` are the ranges of its operands' values.
pub(crate) fn solve(
    graph: &IntGraph,
    id: NodeId,
    operands: &[Interval],
    format: Option<FixedFormat>,
) -> Result<Option<LayerQuant>> {
    let node = graph.node(id);
    let x = graph.inputs(id).first().map(|&p| &graph.value(p).fact).zip(operands.first().copied());
    let place = |kind| Place { name: &node.name, kind, x };
    let y = node.outputs.first().map(|v| &v.fact);
    match (&node.op, y) {
        (IntOp::Input(_) | IntOp::Output(_), _) => Ok(None),
        (IntOp::Conv(op), _) => match &op.form {
            ConvForm::Affine(e) => conv(&place(e.name()), op, format).map_err(|Diagnostics(faults)| {
                let remedy = "change a scale or a constant by a little";
                Diagnostics(faults.into_iter().map(|f| f.remedy(remedy)).collect())
            }),
            ConvForm::Epilogue(_) => conv(&place("Conv"), op, format).map_err(|Diagnostics(faults)| {
                let remedy = "change a scale or a constant by a little";
                Diagnostics(faults.into_iter().map(|f| f.remedy(remedy)).collect())
            }),
            ConvForm::Integer | ConvForm::Transposed | ConvForm::Wide(_) => conv(&place("Conv"), op, format),
        }
        .map(Some),
        (IntOp::AveragePool(op), Some(y)) => average::solve(&place("AveragePool"), op, y, format).map(Some),
        (IntOp::Add(op), _) => addition(&place(op.spec.form.name()), &op.spec).map(Some),
        (IntOp::Product(op), _) => match operands {
            &[a, b] => product::solve(&place("Mul"), &op.spec, [a, b], format).map(Some),
            _ => Err(place("Mul").fault(code::INTERNAL, "a node has no operand", "quant::solve").into()),
        },
        (IntOp::Table(op), _) => {
            let (_, x) = place("Table").operand()?;
            let reached =
                (-128i64..).zip(op.table.iter()).filter(|(q, _)| (x.range.0..=x.range.1).contains(q));
            let output = reached.map(|(_, &y)| (i64::from(y), i64::from(y))).reduce(hull);
            let mut layer = passive(&node.name, LaneKind::Table, x.range, output.unwrap_or((-128, 127)));
            layer.tables = Some(Tables::unary(&op.table));
            layer.straight = y.and_then(|y| straight(&place("Table"), op, y));
            Ok(Some(layer))
        }
        (IntOp::MaxPool(_), _) => {
            let (_, x) = place("MaxPool").operand()?;
            Ok(Some(passive(&node.name, LaneKind::Identity, x.range, x.range)))
        }
        (IntOp::Select(select), _) => {
            let (_, x) = place("Select").operand()?;
            let fill = i64::from(select.fill);
            Ok(Some(passive(&node.name, LaneKind::Identity, x.range, hull(x.range, (fill, fill)))))
        }
        (IntOp::Concat(_), _) => {
            let range = operands.iter().copied().reduce(hull).unwrap_or((-128, 127));
            Ok(Some(passive(&node.name, LaneKind::Identity, range, range)))
        }
        (IntOp::AveragePool(_), None) => {
            Err(place("AveragePool").fault(code::INTERNAL, "a node has no output", "quant::solve").into())
        }
    }
}

/// A layer without a rescale of its own: bytes in, bytes out.
pub(super) fn passive(name: &str, lane: LaneKind, input: Interval, output: Interval) -> LayerQuant {
    LayerQuant {
        name: name.to_owned(),
        channels: vec![Channel::IDENTITY],
        divisors: Vec::new(),
        lo: -128,
        hi: 127,
        reachable: input,
        intervals: vec![input],
        raw: input,
        weight_bits: 0,
        accumulator_bits: 8,
        output,
        lane,
        differing_accumulators: 0,
        float_sum: None,
        product_steps: None,
        ambiguous_sums: 0,
        fixed: None,
        tables: None,
        straight: None,
    }
}

/// One channel of a rescale: the reference as steps, and its float32 scale for the exact lane.
pub(super) struct Reference {
    /// The reference.
    pub(super) steps: Steps,
    /// Steps are near acc * slope + intercept.
    pub(super) slope: f64,
    /// The output's zero point, but for functions that do not go through it.
    pub(super) intercept: f64,
    /// The float32 scale that the exact lane is tried with; the proof decides.
    pub(super) scale: f32,
}

/// What one channel got.
struct Solved {
    channel: Channel,
    /// In Fixed mode: the lane's own steps, and whether the scale word was held.
    fixed: Option<(Steps, bool)>,
}

impl Reference {
    fn solve(&self, lo: i32, hi: i32, format: Option<FixedFormat>) -> Option<Solved> {
        let Steps { from, to, .. } = self.steps;
        if let Some(format) = format {
            let (channel, saturated) = format.channel(self.slope, self.intercept);
            let f = |acc| i32::from(channel.apply(acc, lo, hi));
            let steps = Steps::find(f, from, to, self.slope, self.intercept);
            return Some(Solved { channel, fixed: Some((steps, saturated)) });
        }
        let exact = || {
            // Small integers, where they are any.
            let zero_point = i32::from(i8::MIN)..=i32::from(i8::MAX);
            let zero_point = Some(self.intercept.round() as i32).filter(|z| zero_point.contains(z))?;
            // Averages divide twice; the scale that reproduces them may be a neighbour of the quotient.
            [self.scale, self.scale.next_up(), self.scale.next_down()].into_iter().find_map(|scale| {
                let channel = Channel::exact(scale, zero_point);
                self.steps.proves(|acc| i32::from(channel.apply(acc, lo, hi))).then_some(channel)
            })
        };
        let channel = offset::solve(&self.steps, lo, hi, self.slope).or_else(exact)?;
        Some(Solved { channel, fixed: None })
    }
}

/// Assembles a layer from its channels' references.
pub(super) fn rescaled(
    place: &Place,
    references: &[Reference],
    (lo, hi): (i32, i32),
    raw: Interval,
    format: Option<FixedFormat>,
) -> Result<LayerQuant> {
    let solved: Vec<Option<Solved>> = references.par_iter().map(|r| r.solve(lo, hi, format)).collect();
    let mut layer = passive(place.name, LaneKind::Offset, (0, 0), (0, 0));
    let mut report = FixedReport::default();
    layer.channels.clear();
    layer.intervals.clear();
    for (c, (reference, solved)) in references.iter().zip(solved).enumerate() {
        let Some(solved) = solved else {
            let cause = format!("channel {c}: neither lane equals the reference on its reachable interval");
            return Err(place.fault(code::RESCALE_INFEASIBLE, "a rescale has no integer form", cause).into());
        };
        if let Some((steps, saturated)) = &solved.fixed {
            report.add(c, &reference.steps, steps);
            report.saturated_scales += usize::from(*saturated);
        }
        layer.channels.push(solved.channel);
        let steps = solved.fixed.as_ref().map_or(&reference.steps, |(steps, _)| steps);
        let output = (i64::from(steps.first), i64::from(steps.last));
        layer.output = if c == 0 { output } else { hull(layer.output, output) };
        let reach = (steps.from, steps.to);
        layer.reachable = if c == 0 { reach } else { hull(layer.reachable, reach) };
        layer.intervals.push(reach);
    }
    let exact = layer.channels.iter().filter(|c| matches!(c, Channel::Exact { .. })).count();
    layer.lane = match exact {
        0 => LaneKind::Offset,
        n if n == layer.channels.len() => LaneKind::Exact,
        _ => LaneKind::Mixed,
    };
    (layer.lo, layer.hi, layer.raw) = (lo, hi, raw);
    layer.accumulator_bits = signed_bits(raw.0).max(signed_bits(raw.1));
    layer.differing_accumulators = report.accumulators;
    layer.fixed = format.map(|_| report);
    Ok(layer)
}

/// Refuses an interval that leaves int32.
pub(super) fn within_int32(place: &Place, what: &str, (from, to): Interval) -> Result<()> {
    if i32::try_from(from).is_ok() && i32::try_from(to).is_ok() {
        return Ok(());
    }
    let cause = format!("{what} can reach {from} to {to}");
    Err(place.fault(code::ACCUMULATOR_OVERFLOW, "an accumulator may leave int32", cause).into())
}

/// The int32 accumulator of an argument that `within_int32` has admitted.
pub(super) fn int32(acc: i64) -> i32 {
    i32::try_from(acc).unwrap_or(if acc < 0 { i32::MIN } else { i32::MAX })
}

fn conv(place: &Place, op: &Conv, format: Option<FixedFormat>) -> Result<LayerQuant> {
    let (_, x) = place.operand()?;
    let spec = &op.rescale;
    place.bounds(spec.lo, spec.hi)?;
    place.zero_point(spec.zero_point)?;
    let channels = op.weight.shape()[0];
    if spec.scale.len() != channels && spec.scale.len() != 1 {
        let cause = format!("{} scales for {channels} output channels", spec.scale.len());
        return Err(place.fault(code::SCALE_INVALID, "the scales do not fit the channels", cause).into());
    }
    for &scale in &spec.scale {
        place.scale("scale of the accumulator", scale, true)?;
    }
    let mut raw = (0, 0);
    let mut reach = Vec::with_capacity(channels);
    for c in 0..channels {
        let (centred, partial) = interval::conv_channel(op, c, x);
        within_int32(place, &format!("channel {c}"), centred)?;
        within_int32(place, &format!("channel {c} before its zero point is subtracted"), partial)?;
        raw = hull(raw, partial);
        reach.push(centred);
    }
    let bounds = (spec.lo, spec.hi);
    let layer = match &op.form {
        ConvForm::Affine(e) => {
            rescaled(place, &affine::references(place, op, e, &reach)?, bounds, raw, format)?
        }
        ConvForm::Epilogue(e) => {
            rescaled(place, &epilogue::references(place, op, e, &reach)?, bounds, raw, None)?
        }
        ConvForm::Wide(bytes) => wide(place, *bytes, &reach, raw)?,
        ConvForm::Integer | ConvForm::Transposed => {
            rescaled(place, &requantized(spec, &reach), bounds, raw, format)?
        }
    };
    let (least, most) = op.weight.iter().fold((0, 0), |(lo, hi), &w| (w.min(lo), w.max(hi)));
    let weight_bits = signed_bits(least.into()).max(signed_bits(most.into()));
    Ok(LayerQuant { weight_bits, ..layer })
}

/// The reference of each channel's requantization.
fn requantized(spec: &RescaleSpec, reach: &[Interval]) -> Vec<Reference> {
    let channel = |(c, &(from, to)): (usize, &Interval)| {
        let scale = spec.channel_scale(c);
        let f = |acc| i32::from(requantize(int32(acc), scale, spec.zero_point, spec.lo, spec.hi));
        let slope = f64::from(scale);
        let steps = Steps::find(f, from, to, slope, f64::from(spec.zero_point));
        Reference { steps, slope, intercept: f64::from(spec.zero_point), scale }
    };
    reach.par_iter().enumerate().map(channel).collect()
}

/// The bytes of an accumulator: shifted, not clamped.
fn wide(place: &Place, bytes: usize, reach: &[Interval], raw: Interval) -> Result<LayerQuant> {
    let mut layer = passive(place.name, LaneKind::Offset, (0, 0), (-128, 127));
    let bits = u32::try_from(8 * bytes).unwrap_or(u32::MAX);
    if let Some((c, (from, to))) =
        reach.iter().enumerate().find(|(_, (from, to))| signed_bits(*from).max(signed_bits(*to)) > bits)
    {
        let cause = format!("channel {c} reaches {from} to {to}, which {bytes} bytes do not hold");
        return Err(place.fault(code::INTERNAL, "an accumulator is longer than its bytes", cause).into());
    }
    layer.channels = (0..reach.len())
        .map(|c| Channel::Offset { m: 1, b: 0, shift: u8::try_from(8 * (c % bytes)).unwrap_or(0) })
        .collect();
    layer.intervals = reach.to_vec();
    layer.reachable = reach.iter().copied().reduce(hull).unwrap_or((0, 0));
    (layer.lo, layer.hi, layer.raw) = (127, -128, raw);
    layer.accumulator_bits = signed_bits(raw.0).max(signed_bits(raw.1));
    Ok(layer)
}

/// The cheap lane from x to the byte of a requantization, on every byte that the operand holds.
fn straight(place: &Place, op: &Table, y: &QFact) -> Option<Channel> {
    let (fact, x) = place.x.filter(|_| op.source == TableSource::Requantize)?;
    let slope = f64::from(fact.scale) / f64::from(y.scale);
    let intercept = f64::from(y.zero_point) - slope * f64::from(fact.zero_point);
    let f =
        |q: i64| i32::from(usize::try_from(q + 128).ok().and_then(|at| op.table.get(at)).map_or(0, |y| *y));
    let steps = Steps::find(f, x.0, x.1, slope, intercept);
    offset::solve(&steps, -128, 127, slope)
}

fn addition(place: &Place, spec: &AddSpec) -> Result<LayerQuant> {
    let (_, x) = place.operand()?;
    place.bounds(spec.lo, spec.hi)?;
    for (what, (scale, zero_point, _)) in
        [("scale of a", spec.a), ("scale of b", spec.b), ("scale of y", spec.y)]
    {
        place.scale(what, scale, false)?;
        place.zero_point(zero_point)?;
    }
    let Some(tables) = add::solve(spec) else {
        let form = match spec.form {
            AddForm::QLinear => "QLinearAdd",
            AddForm::Float => "the float32 addition",
            AddForm::Difference => "the float32 subtraction",
        };
        let cause = format!("no pair of tables equals {form} on all 65536 pairs");
        let what = match spec.form {
            AddForm::QLinear | AddForm::Float => "an addition has no integer form",
            AddForm::Difference => "a subtraction has no integer form",
        };
        let fault = place.fault(code::RESCALE_INFEASIBLE, what, cause);
        return Err(fault
            .remedy("with these scales float32 is in doubt about ties: change one of the three by a little")
            .into());
    };
    let mut layer = passive(place.name, LaneKind::Table, x.range, (i64::from(spec.lo), i64::from(spec.hi)));
    (layer.lo, layer.hi, layer.tables) = (spec.lo, spec.hi, Some(tables));
    Ok(layer)
}
