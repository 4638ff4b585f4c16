//! From the imported graph to the integer graph: one rewrite per file, pipelines are lists.
//!
//! In: a neutral model. Out: [`IntGraph`], or every reason why not. The graph is verified after every pass.

#[cfg(test)]
mod tests;

mod absorb_padding;
mod check_trunc;
mod dead_code;
mod declare_inputs;
mod expand_mean;
mod fold_constants;
mod fold_expressions;
mod fuse_batch_norm;
mod fuse_bias;
mod fuse_epilogue;
mod fuse_hard_swish;
mod fuse_quantized;
pub mod heads;
pub mod inspect;
mod integer_clip;
mod lower;
mod merge_conversions;
mod move_layout;
mod names;
pub mod own_memory;
mod prepare_input;
mod remove_identity;
pub mod split_multiplier;

pub use inspect::{Inspection, inspect};

use crate::diag::Result;
use crate::graph::float::FloatGraph;
use crate::graph::int::IntGraph;
use crate::graph::{text, verify};
use crate::onnx::model::Model;
use crate::ops;

/// One rewrite of the float stage.
pub struct Pass {
    /// Its name, unique, as `--dump-passes` shows it.
    pub name: &'static str,
    /// What it does, one line.
    pub summary: &'static str,
    /// The rewrite.
    pub run: fn(&mut FloatGraph) -> Result<()>,
}

const FOLD_CONSTANTS: Pass = Pass {
    name: "fold-constants",
    summary: "computes operators on constants; DequantizeLinear stays, so that weights stay integers",
    run: fold_constants::run,
};
const REMOVE_IDENTITY: Pass = Pass {
    name: "remove-identity",
    summary: "removes operators that change nothing",
    run: remove_identity::run,
};
const EXPAND_MEAN: Pass = Pass {
    name: "expand-mean",
    summary: "makes ReduceMean an average over a window, with the Transpose and Reshape that its axes ask for",
    run: expand_mean::run,
};
const MERGE_CONVERSIONS: Pass = Pass {
    name: "merge-conversions",
    summary: "merges QuantizeLinear, and DequantizeLinear, nodes that do the same to the same tensor",
    run: merge_conversions::run,
};
const CHECK_TRUNC: Pass = Pass {
    name: "check-trunc",
    summary: "refuses QONNX truncations that may leave their width",
    run: check_trunc::run,
};
const PREPARE_INPUT: Pass = Pass {
    name: "prepare-input",
    summary: "makes float operators before the first QuantizeLinear one operator, which the host runs",
    run: prepare_input::run,
};
const FUSE_BATCH_NORM: Pass = Pass {
    name: "fuse-batch-norm",
    summary: "folds BatchNormalization into the float weights before it",
    run: fuse_batch_norm::run,
};
const FUSE_HARD_SWISH: Pass = Pass {
    name: "fuse-hard-swish",
    summary: "makes x * HardSigmoid(x) with alpha 1/6 a HardSwish",
    run: fuse_hard_swish::run,
};
const FUSE_BIAS: Pass = Pass {
    name: "fuse-bias",
    summary: "makes an Add of a constant after Conv, ConvTranspose, Gemm or MatMul its bias",
    run: fuse_bias::run,
};
const FUSE_EPILOGUE: Pass = Pass {
    name: "fuse-epilogue",
    summary: "QONNX: makes a layer, the float operators behind it and the next quantizer one function of the accumulator",
    run: fuse_epilogue::run,
};
const FUSE_QLINEAR: Pass = Pass {
    name: "fuse-qlinear",
    summary: "fuses the patterns for which ONNX Runtime has QLinear kernels with formulas of their own",
    run: fuse_quantized::run_qlinear,
};
const MOVE_LAYOUT: Pass = Pass {
    name: "move-layout",
    summary: "moves operators that only select elements from between float operators to integer tensors",
    run: move_layout::run,
};
const FUSE_QUANTIZED: Pass = Pass {
    name: "fuse-quantized",
    summary: "fuses DequantizeLinear, an operator with its Relu or Clip, and QuantizeLinear",
    run: fuse_quantized::run,
};
const INTEGER_CLIP: Pass = Pass {
    name: "integer-clip",
    summary: "makes Relu and Clip on integer tensors bounds of the operator before, or tables",
    run: integer_clip::run,
};
const FOLD_EXPRESSIONS: Pass = Pass {
    name: "fold-expressions",
    summary: "makes several operators on one quantized tensor and constants a single table",
    run: fold_expressions::run,
};
const DEAD_CODE: Pass =
    Pass { name: "dead-code", summary: "removes what no output needs", run: dead_code::run };

/// From import to canonical form.
pub const PIPELINE: &[Pass] = &[
    FOLD_CONSTANTS,
    REMOVE_IDENTITY,
    EXPAND_MEAN,
    MERGE_CONVERSIONS,
    CHECK_TRUNC,
    PREPARE_INPUT,
    FUSE_BATCH_NORM,
    FUSE_HARD_SWISH,
    FUSE_BIAS,
    MOVE_LAYOUT,
    FOLD_CONSTANTS,
    FUSE_EPILOGUE,
    FUSE_QLINEAR,
    FUSE_QUANTIZED,
    REMOVE_IDENTITY,
    INTEGER_CLIP,
    FOLD_EXPRESSIONS,
    DEAD_CODE,
];

/// One rewrite of the integer stage. It changes no value of the model's outputs.
pub struct IntPass {
    /// Its name, as `--dump-passes` shows it.
    pub name: &'static str,
    /// What it does, one line.
    pub summary: &'static str,
    /// The rewrite.
    pub run: fn(&mut IntGraph),
}

/// After lowering.
pub const INT_PIPELINE: &[IntPass] = &[
    IntPass {
        name: "absorb-padding",
        summary: "makes padding part of the convolution or maximum behind it",
        run: absorb_padding::run,
    },
    IntPass {
        name: "split-multiplier",
        summary: "makes a depthwise convolution with a channel multiplier several without",
        run: split_multiplier::run,
    },
    IntPass {
        name: "own-memory",
        summary: "gives operands of concatenations memory of their own",
        run: own_memory::run,
    },
];

/// Every distinct pass, for tests and `--help`.
pub const PASSES: &[Pass] = &[
    FOLD_CONSTANTS,
    REMOVE_IDENTITY,
    EXPAND_MEAN,
    MERGE_CONVERSIONS,
    CHECK_TRUNC,
    PREPARE_INPUT,
    FUSE_BATCH_NORM,
    FUSE_HARD_SWISH,
    FUSE_BIAS,
    FUSE_EPILOGUE,
    FUSE_QLINEAR,
    MOVE_LAYOUT,
    FUSE_QUANTIZED,
    INTEGER_CLIP,
    FOLD_EXPRESSIONS,
    DEAD_CODE,
];

/// The graph after one step of [`compile_front_traced`].
#[derive(Clone, Debug)]
pub struct Step {
    /// `import`, a pass's name, or `lower`.
    pub name: &'static str,
    /// The graph as text.
    pub text: String,
}

/// Model to integer graph.
pub fn compile_front(model: &Model) -> Result<IntGraph> {
    compile(model, &mut |_, _| {})
}

/// The same, with the graph's text after every step; the steps so far remain where a later one fails.
pub fn compile_front_traced(model: &Model) -> (Vec<Step>, Result<IntGraph>) {
    let mut steps = Vec::new();
    let result = compile(model, &mut |name, text| steps.push(Step { name, text: text() }));
    (steps, result)
}

type Trace<'a> = dyn FnMut(&'static str, &dyn Fn() -> String) + 'a;

fn compile(model: &Model, trace: &mut Trace<'_>) -> Result<IntGraph> {
    let graph = canonical(model, trace)?;
    let mut int = lower::run(&graph, model)?;
    verify::int(&int, "lower")?;
    trace("lower", &|| text::int(&int));
    for pass in INT_PIPELINE {
        (pass.run)(&mut int);
        verify::int(&int, pass.name)?;
        trace(pass.name, &|| text::int(&int));
    }
    Ok(int)
}

/// Import and [`PIPELINE`].
fn canonical(model: &Model, trace: &mut Trace<'_>) -> Result<FloatGraph> {
    let mut graph = ops::import::import(model)?;
    verify::float(&graph, "import")?;
    trace("import", &|| text::float(&graph));
    declare_inputs::run(&mut graph, model)?;
    verify::float(&graph, "declare-inputs")?;
    for pass in PIPELINE {
        (pass.run)(&mut graph)?;
        verify::float(&graph, pass.name)?;
        trace(pass.name, &|| text::float(&graph));
    }
    Ok(graph)
}
