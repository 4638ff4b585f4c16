//! What the layers need of the memories: weights, parameters, tables, each layer's behind the one's before.
//!
//! In: planned layers with their proofs. Out: [`Images`], and the weights' words. Guarantees: a layer's words stand in
//! the order in which its blocks of output channels are computed, so that a step's are a part of them.

use super::image::{self, TableImage};
use super::layers::Kernel;
use super::layout::Layouts;
use super::requant::{self, Entry, Widths};
use super::{Planned, bits, cycles::Array, internal};
use crate::diag::Result;
use crate::graph::{NodeId, Port};
use crate::quant::{KEY_BITS, LayerQuant, Quantized, Ties};

/// Where a layer's share begins, in words, and how it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// First weight word.
    pub(crate) weights: usize,
    /// First parameter word.
    pub(crate) params: usize,
    /// Parameter words.
    pub(crate) param_words: usize,
    /// The parameter word is chosen by the number of taps inside the map.
    pub(crate) by_taps: bool,
    /// First table.
    pub(crate) table: usize,
    /// Whether there is one.
    pub(crate) tables: bool,
    /// Ties of the tables' sum go to the odd integer.
    pub(crate) ties_to_odd: bool,
    /// Their width counts from unsigned integers.
    pub(crate) ties_unsigned: bool,
}

/// All but the weights' words.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    /// Parameters of each channel, at the widths below; R to a word.
    pub(crate) entries: Vec<Entry>,
    /// Widths of the parameters' fields.
    pub(crate) widths: Widths,
    /// Tables in the order of their indices, brought to the same fraction bits.
    pub(crate) tables: Vec<TableImage>,
    /// Those bits.
    pub(crate) table_shift: u8,
    /// Bits of a table's entry.
    pub(crate) table_bits: usize,
    /// Each layer's share.
    pub(crate) places: Vec<Places>,
}

impl Images {
    /// Makes the images.
    ///
    /// # Errors
    /// O2C0900 where a layer and its proof do not fit.
    pub(crate) fn of(
        layers: &[Planned<'_>],
        quantized: &Quantized,
        layouts: &Layouts,
        array: Array,
    ) -> Result<Images> {
        let (mut weights, mut entries, mut tables, mut places) = (0, vec![], vec![], vec![]);
        for l in layers {
            let layer = &l.layer;
            let proof =
                |id: NodeId| quantized.layers.get(&id).ok_or_else(|| internal("a layer has no proof"));
            let (first, last): (&LayerQuant, &LayerQuant) = (proof(layer.first)?, proof(layer.last)?);
            let (y, _) =
                layouts.get(&Port::from(layer.last)).ok_or_else(|| internal("a tensor has no layout"))?;
            let (of_layer, by_taps) = image::parameters(layer, first, array, l.block(array), y)?;
            let images = TableImage::of(layer, first, last)?;
            let ties = match images.first() {
                Some(TableImage::Sum(t)) => (t.odd, t.ties == Ties::Float32 { unsigned: true }),
                Some(TableImage::Thresholds(..)) | None => (false, false),
            };
            places.push(Places {
                weights,
                params: entries.len() / array.r,
                param_words: of_layer.len() / array.r,
                by_taps,
                table: tables.len(),
                tables: !images.is_empty(),
                ties_to_odd: ties.0,
                ties_unsigned: ties.1,
            });
            weights += l.weight_words() * l.loops.blocks;
            entries.extend(of_layer);
            tables.extend(images);
        }
        let widths = requant::resolve(&mut entries);
        let table_shift = TableImage::align(&mut tables);
        let table_bits = tables.iter().map(TableImage::entry_bits).chain([1, float_bits(layers, quantized)]);
        let table_bits = table_bits.max().unwrap_or(1);
        Ok(Images { entries, widths, tables, table_shift, table_bits, places })
    }

    /// Bits of a parameter word.
    pub(crate) fn param_bits(&self, array: Array) -> usize {
        array.r * self.widths.entry() + self.widths.select
    }

    /// Bits of both table memories.
    pub(crate) fn all_table_bits(&self) -> usize {
        2 * 256 * self.tables.len() * self.table_bits
    }

    /// Words of the parameter memory.
    pub(crate) fn parameters(&self, array: Array) -> Vec<Vec<u8>> {
        self.entries.chunks(array.r).map(|chunk| requant::word(chunk, &self.widths)).collect()
    }
}

/// Bits of the widest float32 sum or product that is compared with thresholds. 0 without any.
pub(crate) fn float_bits(layers: &[Planned<'_>], quantized: &Quantized) -> usize {
    let bits = layers.iter().filter_map(|l| match l.layer.kernel {
        Kernel::FloatSum(_) => {
            quantized.layers.get(&l.layer.first)?.float_sum.as_ref().map(|f| f.bits as usize)
        }
        Kernel::Product(factor) => factor.thresholds.then_some(KEY_BITS as usize),
        Kernel::Array(_) | Kernel::Select(_) | Kernel::Max(_) | Kernel::Sum(_) => None,
    });
    bits.max().unwrap_or(0)
}

/// The words of the weight memory: K x C weights of `width` bits each.
///
/// # Errors
/// O2C0900 for a tensor without a layout, or a weight that needs more bits.
pub(crate) fn weights(
    layers: &[Planned<'_>],
    layouts: &Layouts,
    array: Array,
    width: usize,
) -> Result<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    for l in layers.iter().filter(|l| l.layer.kernel.on_array()) {
        let (y, _) =
            layouts.get(&Port::from(l.layer.last)).ok_or_else(|| internal("a tensor has no layout"))?;
        let fits = |w: &i16| bits::signed(i64::from(*w)) <= width;
        if let Kernel::Array(conv) = l.layer.kernel
            && !conv.weight.iter().all(fits)
        {
            return Err(internal(format!("a weight of \"{}\" has more than {width} bits", l.layer.name)));
        }
        image::weights(l, y, array, width, &mut words);
    }
    Ok(words)
}
