/* Registers of the accelerator, byte offsets from its AXI4-Lite base. See docs/registers.md.
 * Written from the register table in compiler/hw/regmap.rs; change it there. */
#ifndef ONNX2CHIP_REGS_H
#define ONNX2CHIP_REGS_H
<% for r in registers %>
/* <{ r.doc }> */
#define O2C_<{ r.upper }> <{ r.offset }>u
<%- for f in r.fields %>
#define O2C_<{ f.upper }>_SHIFT <{ f.lsb }>u
#define O2C_<{ f.upper }>_MASK <{ f.mask }>u
<%- if f.constant() %>
#define O2C_<{ f.upper }>_VALUE <{ f.reset }>u
<%- endif %>
<%- endfor %>
<% endfor %>
#endif
