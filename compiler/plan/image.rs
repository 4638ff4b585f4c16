//! Memory images: weights in the order of use, parameters, tables.

use std::collections::BTreeMap;

use super::Planned;
use super::bits::Word;
use super::cycles::Array;
use super::fold::Folding;
use super::layers::{Kernel, Layer, Tail};
use super::layout::Map;
use super::requant::Entry;
use super::slide::{self, Slide};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::Conv;
use crate::quant::{LayerQuant, Tables};

/// The words of one array layer: for each output channel block, kernel row, kernel column, channel block that it reads
/// and cycle, K x C weights, channel fastest. Channels that a layer does not read, and places that hold none, have
/// weight 0.
pub(crate) fn weights(l: &Planned<'_>, y: &Map, array: Array, bits: usize, out: &mut Vec<Vec<u8>>) {
    if let (Some(slide), Kernel::Array(conv)) = (&l.slide, l.layer.kernel) {
        return depthwise(conv, slide, y, array, bits, out);
    }
    let Array { p, c, k, .. } = array;
    let [kh, kw] = l.layer.kernel.window().kernel;
    let [rows, columns] = l.folding.replace([kh, kw], 1);
    let at = |o: usize, at: usize, row: usize, column: usize| {
        let (Some(o), Some(channel)) = (y.channel(o), l.map.channel(at)) else { return 0 };
        match l.layer.kernel {
            Kernel::Array(conv) => {
                let (co, group_channels, _, _) = conv.weight.dim();
                let all = group_channels * conv.groups;
                let (channel, tap) = (channel % all, channel / all);
                let [row, column] = match l.folding {
                    Folding::Plain => [row, column],
                    Folding::Columns => [row, tap],
                    Folding::Window => [tap / kw, tap % kw],
                };
                match channel.checked_sub(o * conv.groups / co * group_channels) {
                    Some(i) if i < group_channels => conv.weight[(o, i, row, column)],
                    _ => 0,
                }
            }
            Kernel::Select(select) => i16::from(select.channels[o] == Some(channel)),
            Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => 0,
        }
    };
    for kb in 0..l.loops.blocks {
        for row in 0..rows {
            for column in 0..columns {
                for cb in (0..l.reach.count).map(|i| l.reach.first(kb) + i) {
                    for j in 0..p {
                        let mut word = Word::new(k * c * bits);
                        for o in 0..k {
                            for i in 0..c {
                                let w = at(kb * k + o, cb * p * c + j * c + i, row, column);
                                word.push(i64::from(w), bits);
                            }
                        }
                        out.push(word.finish());
                    }
                }
            }
        }
    }
}

/// The words of one depthwise layer: for each channel block, tile of the kernel and array row, K x C weights, the window's
/// place fastest. Row p has places p * C to p * C + C - 1, four to a row of the window. Places without a tap have weight 0.
fn depthwise(conv: &Conv, slide: &Slide, y: &Map, array: Array, bits: usize, out: &mut Vec<Vec<u8>>) {
    let Array { p, c, k, .. } = array;
    let (rows, columns) = (slide.tap_rows(conv.window), slide.tap_columns(conv.window));
    let [tiles, beside] = slide.tiles.map(|tiles| tiles.count);
    let passes = || (0..tiles).flat_map(|tile| (0..beside).map(move |column| [tile, column]));
    for (block, [tile, tile_column]) in (0..y.blocks).flat_map(|b| passes().map(move |pass| (b, pass))) {
        for row in 0..p {
            let mut word = Word::new(k * c * bits);
            for o in 0..k {
                let channel = y.channel(block * array.word() + o).filter(|_| o < array.word());
                for place in (row * c..).take(c) {
                    let row = rows.iter().position(|&at| at == [tile, place / slide::COLUMNS]);
                    let column = columns.iter().position(|&at| at == [tile_column, place % slide::COLUMNS]);
                    let tap = channel.zip(row.zip(column));
                    let weight = tap.map_or(0, |(o, (row, column))| conv.weight[(o, 0, row, column)]);
                    word.push(i64::from(weight), bits);
                }
            }
            out.push(word.finish());
        }
    }
}

/// The parameters of a layer, R to a word: array layers a word for each R channels, padded to whole blocks of `block`;
/// pool layers the same for every channel, one word or one for each count of taps.
pub(crate) fn parameters(
    layer: &Layer<'_>,
    quant: &LayerQuant,
    array: Array,
    block: usize,
    y: &Map,
) -> Result<(Vec<Entry>, bool)> {
    let every = |entry: &dyn Fn(usize) -> Entry| {
        let places = 0..y.extent().next_multiple_of(block);
        (places.map(|at| y.channel(at).map_or(Entry::NONE, entry)).collect(), false)
    };
    match layer.kernel {
        Kernel::Select(select) => {
            let channel = *quant.channels.first().ok_or_else(|| internal(layer, "it has no channel"))?;
            let bias = |o: usize| if select.channels[o].is_none() { i64::from(select.fill) } else { 0 };
            Ok(every(&|o| Entry { bias: bias(o), channel, table: 0 }))
        }
        Kernel::Array(conv) => {
            let co = conv.weight.dim().0;
            if quant.channels.len() != co || conv.bias.len() != co {
                return Err(internal(layer, "channels and weights differ in number"));
            }
            let zx = i64::from(layer.x.zero_point);
            let entry = |o: usize| {
                let sum: i64 =
                    conv.weight.index_axis(ndarray::Axis(0), o).iter().map(|&w| i64::from(w)).sum();
                Entry { bias: i64::from(conv.bias[o]) - zx * sum, channel: quant.channels[o], table: 0 }
            };
            Ok(every(&entry))
        }
        Kernel::Max(_) | Kernel::Product(_) => {
            let mut channels = quant.straight.iter().chain(&quant.channels);
            let channel = *channels.next().ok_or_else(|| internal(layer, "it has no channel"))?;
            Ok((vec![Entry { bias: 0, channel, table: 0 }; array.r], false))
        }
        Kernel::Sum(window) | Kernel::FloatSum(window) => {
            let taps = window.kernel[0] * window.kernel[1];
            let bias = -i64::from(layer.x.zero_point) * taps as i64;
            let first = *quant.channels.first().ok_or_else(|| internal(layer, "it has no divisor"))?;
            if quant.channels.len() == 1 {
                return Ok((vec![Entry { bias, channel: first, table: 0 }; array.r], false));
            }
            // The divisor is the count of taps inside the map; counts that do not occur are never addressed.
            let of: BTreeMap<i32, _> =
                quant.divisors.iter().copied().zip(quant.channels.iter().copied().enumerate()).collect();
            let float = matches!(layer.kernel, Kernel::FloatSum(_));
            let entries = (1..=taps).flat_map(|n| {
                let found = i32::try_from(n).ok().and_then(|n| of.get(&n).copied());
                let (at, channel) = found.unwrap_or((0, first));
                vec![Entry { bias, channel, table: if float { at } else { 0 } }; array.r]
            });
            Ok((entries.collect(), true))
        }
    }
}

fn internal(layer: &Layer<'_>, cause: &str) -> crate::diag::Diagnostics {
    Diagnostic::new(code::INTERNAL, "a layer and its proof do not fit", cause)
        .at(format!("node \"{}\"", layer.name))
        .into()
}

/// What one place in the table memories holds.
#[derive(Clone, Debug)]
pub(crate) enum TableImage {
    /// Two tables whose sum is rounded.
    Sum(Tables),
    /// Thresholds of float32 sums or of products, in table A; corrections of the latter in table B.
    Thresholds(Vec<i64>, Vec<i64>),
}

impl TableImage {
    /// The two tables of a layer's tail, table A for the layer's own value; or a table of thresholds a divisor.
    pub(crate) fn of(layer: &Layer<'_>, first: &LayerQuant, last: &LayerQuant) -> Result<Vec<TableImage>> {
        if let (Kernel::FloatSum(_), Some(float)) = (layer.kernel, &first.float_sum) {
            let image = |t: &Vec<i64>| TableImage::Thresholds(t.clone(), vec![0; t.len()]);
            return Ok(float.thresholds.iter().map(image).collect());
        }
        if let (Kernel::Product(_), Some(steps)) = (layer.kernel, &first.product_steps) {
            return Ok(vec![TableImage::Thresholds(steps.thresholds.clone(), steps.corrections.clone())]);
        }
        let found = || last.tables.clone().ok_or_else(|| internal(layer, "its tail has no tables"));
        Ok(match layer.tail {
            Tail::None => vec![],
            Tail::Table | Tail::Add { swapped: false, .. } => vec![TableImage::Sum(found()?)],
            Tail::Add { swapped: true, .. } => {
                let t = found()?;
                vec![TableImage::Sum(Tables { ta: t.tb, tb: t.ta, ..t })]
            }
        })
    }

    /// Brings all tables to the most fraction bits that one has, so that the hardware's are fixed; returns them.
    pub(crate) fn align(images: &mut [TableImage]) -> u8 {
        let sums = |i: &TableImage| match i {
            TableImage::Sum(t) => t.shift,
            TableImage::Thresholds(..) => 0,
        };
        let shift = images.iter().map(sums).max().unwrap_or(0);
        for image in images {
            if let TableImage::Sum(t) = image {
                t.align(shift);
            }
        }
        shift
    }

    /// Bits of a signed entry.
    pub(crate) fn entry_bits(&self) -> usize {
        match self {
            TableImage::Sum(t) => t.entry_bits as usize,
            TableImage::Thresholds(a, b) => {
                a.iter().chain(b).map(|&v| super::bits::signed(v)).max().unwrap_or(1)
            }
        }
    }

    /// Table A and table B.
    pub(crate) fn entries(&self) -> (Vec<i64>, Vec<i64>) {
        match self {
            TableImage::Sum(t) => (t.ta.clone(), t.tb.clone()),
            TableImage::Thresholds(a, b) => (a.clone(), b.clone()),
        }
    }
}
