//! Which nodes make one layer: a node with an accumulator, and the table or addition that follows it.
//!
//! In: the integer graph. Out: [`Layer`]s in execution order. Guarantees: every computing node is in exactly one
//! layer; a layer's operands are computed by earlier ones; an Add is fused into the later of its producers.

use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{Conv, ConvForm, IntGraph, IntOp, QFact, Select, Window};
use crate::graph::{NodeId, Port};
use crate::quant::Quantized;

/// What the reads do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kernel<'a> {
    /// Convolution on the array.
    Array(&'a Conv),
    /// Elements at other places, on the array: each output channel has one weight, 1.
    Select(&'a Select),
    /// Maximum over a window.
    Max(Window),
    /// Sum over a window.
    Sum(Window),
    /// The same, and the float32 sum beside it.
    FloatSum(Window),
    /// Product of each element and another tensor's.
    Product(Factor<'a>),
}

/// The second operand of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor<'a> {
    /// The tensor.
    pub(crate) port: Port,
    /// Its facts: rows, columns or channels may be one for all of the first's.
    pub(crate) fact: &'a QFact,
    /// The byte is an estimate, or one more by a table of thresholds.
    pub(crate) thresholds: bool,
}

impl Kernel<'_> {
    /// The window; of a selection without its padding, see [`Kernel::origin`].
    pub(crate) fn window(&self) -> Window {
        match self {
            Kernel::Array(conv) => conv.window,
            Kernel::Select(select) => Window { strides: select.steps, ..Window::POINT },
            Kernel::Max(window) | Kernel::Sum(window) | Kernel::FloatSum(window) => *window,
            Kernel::Product(_) => Window::POINT,
        }
    }

    /// Row and column of the first window's first tap.
    pub(crate) fn origin(&self) -> [i64; 2] {
        match self {
            Kernel::Select(select) => select.origin,
            Kernel::Array(_) | Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => {
                let [top, left, ..] = self.window().pads;
                [top, left].map(|pad| i64::try_from(pad).map_or(i64::MIN, |p| -p))
            }
        }
    }

    /// Whether the array computes it; else the pool unit.
    pub(crate) fn on_array(&self) -> bool {
        match self {
            Kernel::Array(_) | Kernel::Select(_) => true,
            Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => false,
        }
    }
}

/// What the table unit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing: the requantized byte is written.
    None,
    /// A unary function.
    Table,
    /// Addition of another tensor; `swapped` if the layer's own value is operand b.
    Add {
        /// The other tensor.
        other: Port,
        /// See above.
        swapped: bool,
    },
}

/// One layer: one descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Layer<'a> {
    /// Name in reports.
    pub(crate) name: String,
    /// ONNX operators.
    pub(crate) op: String,
    /// The node whose sum is requantized.
    pub(crate) first: NodeId,
    /// The node whose output is written.
    pub(crate) last: NodeId,
    /// Reads.
    pub(crate) kernel: Kernel<'a>,
    /// Table unit.
    pub(crate) tail: Tail,
    /// The tensor that the reads walk.
    pub(crate) input: Port,
    /// Facts of `input`, and of the written tensor.
    pub(crate) x: &'a QFact,
    /// See `x`.
    pub(crate) y: &'a QFact,
}

impl<'a> Layer<'a> {
    /// Rows and columns of the result in the order in which they are computed.
    pub(crate) fn walk(&self) -> [usize; 2] {
        let [_, h, w] = self.y.shape;
        if let Kernel::Select(select) = self.kernel { select.walk(self.y.shape) } else { [h, w] }
    }

    /// Whether columns are computed one after the other, each from row to row, since the operand's rows become columns.
    pub(crate) fn exchanges(&self) -> bool {
        matches!(self.kernel, Kernel::Select(Select { exchanged: true, .. }))
    }

    /// The residual operand.
    pub(crate) fn residual(&self) -> Option<Port> {
        match self.tail {
            Tail::Add { other, .. } => Some(other),
            Tail::None | Tail::Table => None,
        }
    }

    /// A product's second factor.
    pub(crate) fn factor(&self) -> Option<Factor<'a>> {
        match self.kernel {
            Kernel::Product(factor) => Some(factor),
            Kernel::Array(_) | Kernel::Select(_) | Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) => {
                None
            }
        }
    }

    /// Tensors that it reads beside its input.
    pub(crate) fn others(&self) -> impl Iterator<Item = Port> {
        self.factor().map(|factor| factor.port).into_iter().chain(self.residual())
    }
}

/// Deals the graph's nodes to layers.
///
/// # Errors
/// O2C0900 if the graph has a cycle.
pub(crate) fn layers<'a>(graph: &'a IntGraph, quantized: &Quantized) -> Result<Vec<Layer<'a>>> {
    let internal = |cause: &str| Diagnostic::new(code::INTERNAL, "the graph can't be scheduled", cause);
    let order = super::schedule::schedule(graph).ok_or_else(|| internal("it has a cycle"))?;
    let place = |id: NodeId| order.iter().position(|&o| o == id).unwrap_or(usize::MAX);
    let sole = |id: NodeId| match graph.consumers(Port::from(id)).as_slice() {
        [(reader, _)] if !graph.outputs.contains(&Port::from(id)) => Some(*reader),
        _ => None,
    };
    let mut layers = Vec::new();
    let mut fused: Vec<NodeId> = Vec::new();
    for &id in &order {
        let node = graph.node(id);
        let inputs = graph.inputs(id);
        let (kernel, op) = match &node.op {
            // A concatenation is memory, not work.
            IntOp::Input(_) | IntOp::Output(_) | IntOp::Concat(_) => continue,
            IntOp::Select(select) => (Kernel::Select(select), "Select"),
            IntOp::Conv(conv) => (Kernel::Array(conv), operator(graph, id, conv)),
            IntOp::MaxPool(pool) => (Kernel::Max(pool.window), "MaxPool"),
            IntOp::AveragePool(pool) => {
                let whole = graph.value(inputs[0]).fact.shape[1..] == pool.window.kernel;
                let float = quantized.layers.get(&id).is_some_and(|l| l.float_sum.is_some());
                let kernel = if float { Kernel::FloatSum } else { Kernel::Sum };
                (kernel(pool.window), if whole { "GlobalAveragePool" } else { "AveragePool" })
            }
            IntOp::Product(_) => {
                let thresholds = quantized.layers.get(&id).is_some_and(|l| l.product_steps.is_some());
                let fact = &graph.value(inputs[1]).fact;
                (Kernel::Product(Factor { port: inputs[1], fact, thresholds }), "Mul")
            }
            IntOp::Add(_) | IntOp::Table(_) => {
                if fused.contains(&id) {
                    continue;
                }
                let straight = quantized.layers.get(&id).is_some_and(|l| l.straight.is_some());
                (Kernel::Max(Window::POINT), if straight { "Requantize" } else { "" })
            }
        };
        // A standalone Add or Table is its own tail behind a 1x1 window, but for a table that is a lane.
        let standalone = op.is_empty();
        // Thresholds take the table unit.
        let threshold = match kernel {
            Kernel::FloatSum(_) => true,
            Kernel::Product(factor) => factor.thresholds,
            Kernel::Array(_) | Kernel::Select(_) | Kernel::Max(_) | Kernel::Sum(_) => false,
        };
        let candidate = if standalone { Some(id) } else { sole(id).filter(|_| !threshold) };
        let mut layer = Layer {
            name: node.name.clone(),
            op: op.to_owned(),
            first: id,
            last: id,
            kernel,
            tail: Tail::None,
            input: inputs[0],
            x: &graph.value(inputs[0]).fact,
            y: &graph.value(Port::from(id)).fact,
        };
        if let Some(next) = candidate {
            let operands = graph.inputs(next);
            let tail = match &graph.node(next).op {
                IntOp::Table(_) => Some((Tail::Table, "Table")),
                IntOp::Add(add) => {
                    let own = if standalone { operands[0] } else { Port::from(id) };
                    let swapped = operands[0] != own;
                    let other = if swapped { operands[0] } else { operands[1] };
                    // The other operand must be there before: this node is the later producer.
                    let ready = standalone || place(other.node) < place(id);
                    ready.then_some((Tail::Add { other, swapped }, add.spec.form.name()))
                }
                IntOp::Input(_)
                | IntOp::Output(_)
                | IntOp::Conv(_)
                | IntOp::Product(_)
                | IntOp::MaxPool(_)
                | IntOp::AveragePool(_)
                | IntOp::Select(_)
                | IntOp::Concat(_) => None,
            };
            if let Some((tail, name)) = tail {
                layer.tail = tail;
                layer.last = next;
                layer.y = &graph.value(Port::from(next)).fact;
                if !layer.op.is_empty() {
                    layer.op.push('+');
                }
                layer.op.push_str(match &graph.node(next).op {
                    IntOp::Table(table) => table.source.onnx_name(),
                    _ => name,
                });
                fused.push(next);
            }
        }
        layers.push(layer);
    }
    Ok(layers)
}

/// The ONNX operator: a convolution whose kernel is the whole unpadded map is what a Gemm became.
fn operator(graph: &IntGraph, id: NodeId, conv: &Conv) -> &'static str {
    let x = &graph.value(graph.inputs(id)[0]).fact;
    match &conv.form {
        ConvForm::Affine(e) => e.name(),
        ConvForm::Transposed => "ConvTranspose",
        ConvForm::Integer | ConvForm::Epilogue(_) | ConvForm::Wide(_)
            if conv.window.pads == [0; 4] && x.shape[1..] == conv.window.kernel =>
        {
            "Gemm"
        }
        ConvForm::Integer | ConvForm::Epilogue(_) | ConvForm::Wide(_) => "Conv",
    }
}
