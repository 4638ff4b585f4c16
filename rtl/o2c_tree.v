`default_nettype none
// Registered adder tree: one level a cycle, each adder with a carry of its own.
//
//   sum_o = sum over i of value_i[i] + sum over i > 0 of carry_i[i]      exact, LN cycles later
//
// A carry takes the low end of the adder in which its value is the first of the upper half, so it costs one bit of
// an adder, not an adder.
//
// N          1 ..   values, a power of two; LN = log2(N)
// W          1 ..   bits of a signed value; each value with its carry must lie within them, too
// HAS_CARRY  0, 1   0: carry_i is ignored
// Latency    LN cycles, none for N = 1;  a sum a cycle;  no reset
module o2c_tree #(
  parameter integer N = 4,
  parameter integer W = 16,
  parameter integer HAS_CARRY = 0,
  localparam integer LN = $clog2(N)
) (
  input  wire                clk_i,
  input  wire [N*W-1:0]      value_i,
  input  wire [N-1:0]        carry_i,   // bit 0 is ignored
  output wire [W+LN-1:0]     sum_o
);
  localparam integer SW = W + LN;

  generate if (N < 1 || N != (1 << LN) || W < 1 || HAS_CARRY < 0 || HAS_CARRY > 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_tree: N a power of two, W at least 1, HAS_CARRY 0 or 1");
`else
    o2c_tree_ERROR_parameters_see_header u_bad ();
`endif
  end endgenerate

  // Heap order: node 1 is the root, N .. 2N-1 the values. A node has SW bits, sign-extended; carry[l] is carry_i after
  // l cycles.
  wire [2*N*SW-1:0]   node;
  wire [(LN+1)*N-1:0] carry;
  assign node[SW-1:0] = {SW{1'b0}};
  assign carry[N-1:0] = HAS_CARRY != 0 ? carry_i : {N{1'b0}};
  assign sum_o = node[SW +: SW];

  genvar l, j;
  generate
    for (j = 0; j < N; j = j + 1) begin : gen_value
      if (LN > 0) begin : gen_extend
        assign node[(N+j)*SW +: SW] = {{LN{value_i[j*W+W-1]}}, value_i[j*W +: W]};
      end else begin : gen_one
        assign node[(N+j)*SW +: SW] = value_i[j*W +: W];
      end
    end
    for (l = 1; l <= LN; l = l + 1) begin : gen_level
      localparam integer B = W + l - 1;  // bits of an operand
      reg [N-1:0] carry_q;
      always @(posedge clk_i) carry_q <= carry[(l-1)*N +: N];
      assign carry[l*N +: N] = carry_q;
      for (j = 0; j < (N >> l); j = j + 1) begin : gen_node
        localparam integer LO = (N >> (l - 1)) + 2 * j;
        wire [B-1:0] lo = node[LO*SW +: B];
        wire [B-1:0] hi = node[(LO+1)*SW +: B];
        reg  [B:0]   sum_q;
        if (HAS_CARRY != 0) begin : gen_carry
          wire [B+1:0] sum = {lo[B-1], lo, 1'b1} + {hi[B-1], hi, carry[(l-1)*N + ((2*j+1) << (l-1))]};
          always @(posedge clk_i) sum_q <= sum[B+1:1];
          wire unused_ok = &{1'b0, sum[0]};
        end else begin : gen_plain
          always @(posedge clk_i) sum_q <= {lo[B-1], lo} + {hi[B-1], hi};
        end
        if (l < LN) begin : gen_extend
          assign node[((N >> l) + j)*SW +: SW] = {{(LN-l){sum_q[B]}}, sum_q};
        end else begin : gen_root
          assign node[((N >> l) + j)*SW +: SW] = sum_q;
        end
      end
    end
  endgenerate

  wire unused_ok = &{1'b0, clk_i, node, carry, carry_i};
endmodule
`default_nettype wire
