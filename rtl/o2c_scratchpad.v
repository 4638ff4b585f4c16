`default_nettype none
// The activation memory: DEPTH words of W bytes, one tensor pixel's channel block a word.
//
// Port A (the array and the pool) reads one word every cycle, never stalled.
// Port B serves, in this order of precedence within a cycle:
//   1. the post pipeline's write   (post_we_i, with one write enable a slice)
//   2. the post pipeline's read    (post_rd_i; the planner's group length keeps 1 and 2 apart)
//   3. the output stream's read    (out_rd_valid_i / out_rd_ready_o)
//   4. the input stream's write    (in_wr_valid_i / in_wr_ready_o)
// so that transfers of other samples take only slots that the engine leaves free.
//
// W       1 .. 512  bytes of a word (P * C)
// G       1 .. W    bytes of a slice; W a multiple of G
// DEPTH   1 ..      words
//
// Latency of every read: 2 cycles. Ready outputs are combinational from the engine's own requests,
// never from a valid of the same port.
module o2c_scratchpad #(
  parameter integer W     = 8,
  parameter integer G     = 8,
  parameter integer DEPTH = 16,
  localparam integer AW   = DEPTH > 1 ? $clog2(DEPTH) : 1,
  localparam integer NS   = W / G
) (
  input  wire           clk_i,
  input  wire           rst_ni,
  // Port A
  input  wire [AW-1:0]  a_addr_i,
  output wire [8*W-1:0] a_data_o,
  // Post pipeline
  input  wire           post_we_i,
  input  wire [NS-1:0]  post_slice_i,
  input  wire [AW-1:0]  post_waddr_i,
  input  wire [8*G-1:0] post_wdata_i,
  input  wire           post_rd_i,
  input  wire [AW-1:0]  post_raddr_i,
  // Output stream
  input  wire           out_rd_valid_i,
  output wire           out_rd_ready_o,
  input  wire [AW-1:0]  out_rd_addr_i,
  output wire           out_rd_data_valid_o,
  // Input stream
  input  wire           in_wr_valid_i,
  output wire           in_wr_ready_o,
  input  wire [AW-1:0]  in_wr_addr_i,
  input  wire [8*W-1:0] in_wr_data_i,
  // Port B's read data, for the post pipeline and the output stream
  output wire [8*W-1:0] b_data_o
);
  generate if (G < 1 || W < G || (W % G) != 0) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_scratchpad: W must be a multiple of G");
`else
    o2c_scratchpad_ERROR_W_must_be_a_multiple_of_G u_bad ();
`endif
  end endgenerate

  wire engine = post_we_i | post_rd_i;
  assign out_rd_ready_o = !engine;
  wire out_take = out_rd_valid_i & !engine;
  assign in_wr_ready_o = !engine & !out_rd_valid_i;
  wire in_take = in_wr_valid_i & in_wr_ready_o;

  reg [1:0] out_take_q;
  always @(posedge clk_i) begin
    if (!rst_ni) out_take_q <= 2'b00;
    else out_take_q <= {out_take_q[0], out_take};
  end
  assign out_rd_data_valid_o = out_take_q[1];

  wire [AW-1:0] b_addr = post_we_i ? post_waddr_i
                       : post_rd_i ? post_raddr_i
                       : out_rd_valid_i ? out_rd_addr_i : in_wr_addr_i;

  genvar s;
  generate for (s = 0; s < NS; s = s + 1) begin : gen_slice
    wire           we    = (post_we_i & post_slice_i[s]) | in_take;
    wire [8*G-1:0] wdata = post_we_i ? post_wdata_i : in_wr_data_i[8*G*s +: 8*G];
    o2c_ram #(
      .WIDTH (8 * G),
      .DEPTH (DEPTH)
    ) u_ram (
      .clk_i    (clk_i),
      .a_addr_i (a_addr_i),
      .a_data_o (a_data_o[8*G*s +: 8*G]),
      .b_we_i   (we),
      .b_addr_i (b_addr),
      .b_data_i (wdata),
      .b_data_o (b_data_o[8*G*s +: 8*G])
    );
  end endgenerate

`ifdef FORMAL
  // The planner's group length never lets the post pipeline read and write in one cycle.
  always @* if (rst_ni) assume (!(post_we_i && post_rd_i));
`endif
endmodule
`default_nettype wire
