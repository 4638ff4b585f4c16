`default_nettype none
// Simple dual-port memory: one port reads, one writes. Infers block RAM on ECP5 and Xilinx.
//
//   r_data_o(t+2) = mem[r_addr_i(t)]
//   mem[w_addr_i(t)] <= w_data_i(t)     if w_en_i(t); visible to reads from t+1
//
// WIDTH  1 ..  bits of a word
// DEPTH  1 ..  words
//
// Reading the address that is written in the same cycle gives an undefined word: the user does not use it.
// Latency 2, one read and one write a cycle, no reset.
//
//   clk       _/-\_/-\_/-\_/-\_
//   r_addr_i  < a0>< a1>< a2>
//   r_data_o          < d0>< d1>< d2>
module o2c_ram_sdp #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2,
  localparam integer AW   = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire             clk_i,
  input  wire [AW-1:0]    r_addr_i,
  output reg  [WIDTH-1:0] r_data_o,
  input  wire             w_en_i,
  input  wire [AW-1:0]    w_addr_i,
  input  wire [WIDTH-1:0] w_data_i
);
  generate if (WIDTH < 1 || DEPTH < 1) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_ram_sdp: WIDTH and DEPTH must be at least 1");
`else
    o2c_ram_sdp_ERROR_WIDTH_and_DEPTH_must_be_at_least_1 u_bad ();
`endif
  end endgenerate

  (* ram_style = "block", no_rw_check *) reg [WIDTH-1:0] mem [0:DEPTH-1];
  reg [WIDTH-1:0] read_q;

`ifndef SYNTHESIS
  // Four-state simulators: a word that is read before it is written is not used, but X spreads.
  integer i;
  initial for (i = 0; i < DEPTH; i = i + 1) mem[i] = {WIDTH{1'b0}};
`endif

  always @(posedge clk_i) begin
    if (w_en_i) mem[w_addr_i] <= w_data_i;
    read_q   <= mem[r_addr_i];
    r_data_o <= read_q;
  end
endmodule
`default_nettype wire
