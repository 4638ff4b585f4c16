// Generated from proto/onnx.proto by proto/src/main.rs; do not edit.
// onnx.proto is Copyright (c) ONNX Project Contributors, SPDX-License-Identifier: Apache-2.0.

use super::wire::{Field, Kind, Message};

/// Index of `ModelProto` in [`MESSAGES`].
pub(super) const MODEL: usize = 9;

/// Every message, fields ascending by number.
pub(super) static MESSAGES: &[Message] = &[
    Message {
        name: "AttributeProto",
        fields: &[
            Field { number: 1, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "f", kind: Kind::Fixed32, repeated: false, oneof: None },
            Field { number: 3, name: "i", kind: Kind::Varint, repeated: false, oneof: None },
            Field { number: 4, name: "s", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 5, name: "t", kind: Kind::Message(14), repeated: false, oneof: None },
            Field { number: 6, name: "g", kind: Kind::Message(13), repeated: false, oneof: None },
            Field { number: 7, name: "floats", kind: Kind::Fixed32, repeated: true, oneof: None },
            Field { number: 8, name: "ints", kind: Kind::Varint, repeated: true, oneof: None },
            Field { number: 9, name: "strings", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 10, name: "tensors", kind: Kind::Message(14), repeated: true, oneof: None },
            Field { number: 11, name: "graphs", kind: Kind::Message(13), repeated: true, oneof: None },
            Field { number: 13, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 14, name: "tp", kind: Kind::Message(19), repeated: false, oneof: None },
            Field { number: 15, name: "type_protos", kind: Kind::Message(19), repeated: true, oneof: None },
            Field { number: 20, name: "type", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 21, name: "ref_attr_name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 22, name: "sparse_tensor", kind: Kind::Message(16), repeated: false, oneof: None },
            Field { number: 23, name: "sparse_tensors", kind: Kind::Message(16), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "ValueInfoProto",
        fields: &[
            Field { number: 1, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "type", kind: Kind::Message(19), repeated: false, oneof: None },
            Field { number: 3, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 4, name: "metadata_props", kind: Kind::Message(11), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "NodeProto",
        fields: &[
            Field { number: 1, name: "input", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 2, name: "output", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 3, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 4, name: "op_type", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 5, name: "attribute", kind: Kind::Message(0), repeated: true, oneof: None },
            Field { number: 6, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 7, name: "domain", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 8, name: "overload", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 9, name: "metadata_props", kind: Kind::Message(11), repeated: true, oneof: None },
            Field { number: 10, name: "device_configurations", kind: Kind::Message(4), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "IntIntListEntryProto",
        fields: &[
            Field { number: 1, name: "key", kind: Kind::Varint, repeated: false, oneof: None },
            Field { number: 2, name: "value", kind: Kind::Varint, repeated: true, oneof: None },
        ],
    },
    Message {
        name: "NodeDeviceConfigurationProto",
        fields: &[
            Field { number: 1, name: "configuration_id", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "sharding_spec", kind: Kind::Message(5), repeated: true, oneof: None },
            Field { number: 3, name: "pipeline_stage", kind: Kind::Int32, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "ShardingSpecProto",
        fields: &[
            Field { number: 1, name: "tensor_name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "device", kind: Kind::Varint, repeated: true, oneof: None },
            Field { number: 3, name: "index_to_device_group_map", kind: Kind::Message(3), repeated: true, oneof: None },
            Field { number: 4, name: "sharded_dim", kind: Kind::Message(6), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "ShardedDimProto",
        fields: &[
            Field { number: 1, name: "axis", kind: Kind::Varint, repeated: false, oneof: None },
            Field { number: 2, name: "simple_sharding", kind: Kind::Message(7), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "SimpleShardedDimProto",
        fields: &[
            Field { number: 1, name: "dim_value", kind: Kind::Varint, repeated: false, oneof: Some(0) },
            Field { number: 2, name: "dim_param", kind: Kind::Bytes, repeated: false, oneof: Some(0) },
            Field { number: 3, name: "num_shards", kind: Kind::Varint, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TrainingInfoProto",
        fields: &[
            Field { number: 1, name: "initialization", kind: Kind::Message(13), repeated: false, oneof: None },
            Field { number: 2, name: "algorithm", kind: Kind::Message(13), repeated: false, oneof: None },
            Field { number: 3, name: "initialization_binding", kind: Kind::Message(11), repeated: true, oneof: None },
            Field { number: 4, name: "update_binding", kind: Kind::Message(11), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "ModelProto",
        fields: &[
            Field { number: 1, name: "ir_version", kind: Kind::Varint, repeated: false, oneof: None },
            Field { number: 2, name: "producer_name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 3, name: "producer_version", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 4, name: "domain", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 5, name: "model_version", kind: Kind::Varint, repeated: false, oneof: None },
            Field { number: 6, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 7, name: "graph", kind: Kind::Message(13), repeated: false, oneof: None },
            Field { number: 8, name: "opset_import", kind: Kind::Message(26), repeated: true, oneof: None },
            Field { number: 14, name: "metadata_props", kind: Kind::Message(11), repeated: true, oneof: None },
            Field { number: 20, name: "training_info", kind: Kind::Message(8), repeated: true, oneof: None },
            Field { number: 25, name: "functions", kind: Kind::Message(27), repeated: true, oneof: None },
            Field { number: 26, name: "configuration", kind: Kind::Message(10), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "DeviceConfigurationProto",
        fields: &[
            Field { number: 1, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "num_devices", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 3, name: "device", kind: Kind::Bytes, repeated: true, oneof: None },
        ],
    },
    Message {
        name: "StringStringEntryProto",
        fields: &[
            Field { number: 1, name: "key", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "value", kind: Kind::Bytes, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TensorAnnotation",
        fields: &[
            Field { number: 1, name: "tensor_name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "quant_parameter_tensor_names", kind: Kind::Message(11), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "GraphProto",
        fields: &[
            Field { number: 1, name: "node", kind: Kind::Message(2), repeated: true, oneof: None },
            Field { number: 2, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 5, name: "initializer", kind: Kind::Message(14), repeated: true, oneof: None },
            Field { number: 10, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 11, name: "input", kind: Kind::Message(1), repeated: true, oneof: None },
            Field { number: 12, name: "output", kind: Kind::Message(1), repeated: true, oneof: None },
            Field { number: 13, name: "value_info", kind: Kind::Message(1), repeated: true, oneof: None },
            Field { number: 14, name: "quantization_annotation", kind: Kind::Message(12), repeated: true, oneof: None },
            Field { number: 15, name: "sparse_initializer", kind: Kind::Message(16), repeated: true, oneof: None },
            Field { number: 16, name: "metadata_props", kind: Kind::Message(11), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "TensorProto",
        fields: &[
            Field { number: 1, name: "dims", kind: Kind::Varint, repeated: true, oneof: None },
            Field { number: 2, name: "data_type", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 3, name: "segment", kind: Kind::Message(15), repeated: false, oneof: None },
            Field { number: 4, name: "float_data", kind: Kind::Fixed32, repeated: true, oneof: None },
            Field { number: 5, name: "int32_data", kind: Kind::Int32, repeated: true, oneof: None },
            Field { number: 6, name: "string_data", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 7, name: "int64_data", kind: Kind::Varint, repeated: true, oneof: None },
            Field { number: 8, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 9, name: "raw_data", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 10, name: "double_data", kind: Kind::Fixed64, repeated: true, oneof: None },
            Field { number: 11, name: "uint64_data", kind: Kind::Varint, repeated: true, oneof: None },
            Field { number: 12, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 13, name: "external_data", kind: Kind::Message(11), repeated: true, oneof: None },
            Field { number: 14, name: "data_location", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 16, name: "metadata_props", kind: Kind::Message(11), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "TensorProto.Segment",
        fields: &[
            Field { number: 1, name: "begin", kind: Kind::Varint, repeated: false, oneof: None },
            Field { number: 2, name: "end", kind: Kind::Varint, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "SparseTensorProto",
        fields: &[
            Field { number: 1, name: "values", kind: Kind::Message(14), repeated: false, oneof: None },
            Field { number: 2, name: "indices", kind: Kind::Message(14), repeated: false, oneof: None },
            Field { number: 3, name: "dims", kind: Kind::Varint, repeated: true, oneof: None },
        ],
    },
    Message {
        name: "TensorShapeProto",
        fields: &[
            Field { number: 1, name: "dim", kind: Kind::Message(18), repeated: true, oneof: None },
        ],
    },
    Message {
        name: "TensorShapeProto.Dimension",
        fields: &[
            Field { number: 1, name: "dim_value", kind: Kind::Varint, repeated: false, oneof: Some(0) },
            Field { number: 2, name: "dim_param", kind: Kind::Bytes, repeated: false, oneof: Some(0) },
            Field { number: 3, name: "denotation", kind: Kind::Bytes, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TypeProto",
        fields: &[
            Field { number: 1, name: "tensor_type", kind: Kind::Message(20), repeated: false, oneof: Some(0) },
            Field { number: 4, name: "sequence_type", kind: Kind::Message(21), repeated: false, oneof: Some(0) },
            Field { number: 5, name: "map_type", kind: Kind::Message(22), repeated: false, oneof: Some(0) },
            Field { number: 6, name: "denotation", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 7, name: "opaque_type", kind: Kind::Message(25), repeated: false, oneof: Some(0) },
            Field { number: 8, name: "sparse_tensor_type", kind: Kind::Message(24), repeated: false, oneof: Some(0) },
            Field { number: 9, name: "optional_type", kind: Kind::Message(23), repeated: false, oneof: Some(0) },
        ],
    },
    Message {
        name: "TypeProto.Tensor",
        fields: &[
            Field { number: 1, name: "elem_type", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 2, name: "shape", kind: Kind::Message(17), repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TypeProto.Sequence",
        fields: &[
            Field { number: 1, name: "elem_type", kind: Kind::Message(19), repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TypeProto.Map",
        fields: &[
            Field { number: 1, name: "key_type", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 2, name: "value_type", kind: Kind::Message(19), repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TypeProto.Optional",
        fields: &[
            Field { number: 1, name: "elem_type", kind: Kind::Message(19), repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TypeProto.SparseTensor",
        fields: &[
            Field { number: 1, name: "elem_type", kind: Kind::Int32, repeated: false, oneof: None },
            Field { number: 2, name: "shape", kind: Kind::Message(17), repeated: false, oneof: None },
        ],
    },
    Message {
        name: "TypeProto.Opaque",
        fields: &[
            Field { number: 1, name: "domain", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "OperatorSetIdProto",
        fields: &[
            Field { number: 1, name: "domain", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 2, name: "version", kind: Kind::Varint, repeated: false, oneof: None },
        ],
    },
    Message {
        name: "FunctionProto",
        fields: &[
            Field { number: 1, name: "name", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 4, name: "input", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 5, name: "output", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 6, name: "attribute", kind: Kind::Bytes, repeated: true, oneof: None },
            Field { number: 7, name: "node", kind: Kind::Message(2), repeated: true, oneof: None },
            Field { number: 8, name: "doc_string", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 9, name: "opset_import", kind: Kind::Message(26), repeated: true, oneof: None },
            Field { number: 10, name: "domain", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 11, name: "attribute_proto", kind: Kind::Message(0), repeated: true, oneof: None },
            Field { number: 12, name: "value_info", kind: Kind::Message(1), repeated: true, oneof: None },
            Field { number: 13, name: "overload", kind: Kind::Bytes, repeated: false, oneof: None },
            Field { number: 14, name: "metadata_props", kind: Kind::Message(11), repeated: true, oneof: None },
        ],
    },
];
