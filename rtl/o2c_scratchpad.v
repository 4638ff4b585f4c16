`default_nettype none
// The activation memory: DEPTH words of W bytes, one tensor pixel's channel block a word.
//
// Port A (the array and the pool) reads every cycle, never stalled: one word; with BANKS = 4 the words a, a+1, a+2,
// a+3; with BANKS = 8 also b .. b+3, where b = a + 4 modulo 8 (else these four are undefined). Word n lies in bank
// n modulo BANKS. Words beyond DEPTH are undefined.
// Port B serves, in this order of precedence within a cycle:
//   1. the post pipeline's write   (post_we_i, with one write enable a slice)
//   2. the post pipeline's read    (post_rd_i; the planner's group length keeps 1 and 2 apart)
//   3. external memory's write or read (spill_valid_i / spill_ready_o)
//   4. the output stream's read    (out_rd_valid_i / out_rd_ready_o)
//   5. the input stream's write    (in_wr_valid_i / in_wr_ready_o)
// so that transfers of other samples take only slots that the engine leaves free.
//
// W       1 .. 512  bytes of a word (P * C)
// G       1 .. W    bytes of a slice; W a multiple of G
// DEPTH   BANKS ..  words
// BANKS   1, 4, 8
//
// Latency of every read: 2 cycles. Ready outputs are combinational from the engine's own requests,
// never from a valid of the same port.
module o2c_scratchpad #(
  parameter integer W     = 8,
  parameter integer G     = 8,
  parameter integer DEPTH = 16,
  parameter integer BANKS = 1,
  localparam integer AW   = DEPTH > 1 ? $clog2(DEPTH) : 1,
  localparam integer NS   = W / G
) (
  input  wire           clk_i,
  input  wire           rst_ni,
  // Port A
  input  wire [AW-1:0]  a_addr_i,
  input  wire [AW-1:0]  a_pair_addr_i,   // b
  output wire [8*W*BANKS-1:0] a_data_o,
  // Post pipeline
  input  wire           post_we_i,
  input  wire [NS-1:0]  post_slice_i,
  input  wire [AW-1:0]  post_waddr_i,
  input  wire [8*G-1:0] post_wdata_i,
  input  wire           post_rd_i,
  input  wire [AW-1:0]  post_raddr_i,
  // External memory
  input  wire           spill_valid_i,
  input  wire           spill_we_i,
  output wire           spill_ready_o,
  input  wire [AW-1:0]  spill_addr_i,
  input  wire [8*W-1:0] spill_data_i,
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
  // Port B's read data, for the post pipeline, external memory and the output stream
  output wire [8*W-1:0] b_data_o
);
  generate if (G < 1 || W < G || (W % G) != 0
               || (BANKS != 1 && BANKS != 4 && BANKS != 8) || DEPTH < BANKS) begin : gen_bad
`ifdef VERILATOR
    $error("o2c_scratchpad: W must be a multiple of G, BANKS 1, 4 or 8, DEPTH at least BANKS");
`else
    o2c_scratchpad_ERROR_W_must_be_a_multiple_of_G_and_BANKS_1_4_or_8 u_bad ();
`endif
  end endgenerate

  wire engine = post_we_i | post_rd_i;
  assign spill_ready_o = !engine;
  wire spill_write = spill_valid_i & spill_we_i & !engine;
  assign out_rd_ready_o = !engine & !spill_valid_i;
  wire out_take = out_rd_valid_i & out_rd_ready_o;
  assign in_wr_ready_o = out_rd_ready_o & !out_rd_valid_i;
  wire in_take = in_wr_valid_i & in_wr_ready_o;

  reg [1:0] out_take_q;
  always @(posedge clk_i) begin
    if (!rst_ni) out_take_q <= 2'b00;
    else out_take_q <= {out_take_q[0], out_take};
  end
  assign out_rd_data_valid_o = out_take_q[1];

  wire [AW-1:0] b_addr = post_we_i ? post_waddr_i
                       : post_rd_i ? post_raddr_i
                       : spill_valid_i ? spill_addr_i
                       : out_rd_valid_i ? out_rd_addr_i : in_wr_addr_i;

  // Banks. In bank n lies word a + (n - a) mod 4, or b + ..., at its address divided by BANKS.
  localparam integer LB   = $clog2(BANKS);
  localparam integer RD   = (DEPTH + BANKS - 1) / BANKS;
  localparam integer RAW  = RD > 1 ? $clog2(RD) : 1;
  localparam integer PADW = LB + RAW > AW ? LB + RAW - AW : 0;
  wire [8*W*BANKS-1:0] a_bank, b_bank;
  genvar s, n;
  generate for (n = 0; n < BANKS; n = n + 1) begin : gen_bank
    localparam integer Bank = n;
    wire [AW-1:0]  a_addr;
    wire           b_here;
    if (BANKS > 1) begin : gen_address
      localparam [2:0] BANK = Bank[2:0];
      wire [AW+2:0] here = {3'd0, a_addr_i};
      wire [2:0]    ahead = BANK - here[2:0];
      wire [AW+2:0] on = {{(AW+1){1'b0}}, ahead[1:0]};
      assign a_addr = (BANKS == 8 && ahead[2] ? a_pair_addr_i : a_addr_i) + on[AW-1:0];
      assign b_here = b_addr[LB-1:0] == BANK[LB-1:0];
      wire unused_ok = &{1'b0, here, ahead, on};
    end else begin : gen_whole
      assign a_addr = a_addr_i;
      assign b_here = 1'b1;
    end
    wire [AW+PADW-1:0] a_wide = {{PADW{1'b0}}, a_addr};
    wire [AW+PADW-1:0] b_wide = {{PADW{1'b0}}, b_addr};
    wire unused_wide = &{1'b0, a_wide, b_wide};
    for (s = 0; s < NS; s = s + 1) begin : gen_slice
      wire           we    = b_here & ((post_we_i & post_slice_i[s]) | spill_write | in_take);
      wire [8*G-1:0] wdata = post_we_i ? post_wdata_i
                           : spill_valid_i ? spill_data_i[8*G*s +: 8*G] : in_wr_data_i[8*G*s +: 8*G];
      o2c_ram #(
        .WIDTH (8 * G),
        .DEPTH (RD)
      ) u_ram (
        .clk_i    (clk_i),
        .a_addr_i (a_wide[LB +: RAW]),
        .a_data_o (a_bank[8*(W*n + G*s) +: 8*G]),
        .b_we_i   (we),
        .b_addr_i (b_wide[LB +: RAW]),
        .b_data_i (wdata),
        .b_data_o (b_bank[8*(W*n + G*s) +: 8*G])
      );
    end
  end endgenerate

  // Word a first: a rotation by a modulo BANKS, a power of two at a time.
  generate if (BANKS > 1) begin : gen_rotate
    reg [LB-1:0] a_q1, a_q2, b_q1, b_q2;
    always @(posedge clk_i) begin
      a_q1 <= a_addr_i[LB-1:0];
      a_q2 <= a_q1;
      b_q1 <= b_addr[LB-1:0];
      b_q2 <= b_q1;
    end
    wire [8*W*BANKS-1:0] by_1 = a_q2[0] ? {a_bank[8*W-1:0], a_bank[8*W*BANKS-1:8*W]} : a_bank;
    wire [8*W*BANKS-1:0] by_2 = a_q2[1] ? {by_1[16*W-1:0], by_1[8*W*BANKS-1:16*W]} : by_1;
    if (BANKS == 8) begin : gen_by_4
      assign a_data_o = a_q2[LB-1] ? {by_2[32*W-1:0], by_2[8*W*BANKS-1:32*W]} : by_2;
    end else begin : gen_by_2
      assign a_data_o = by_2;
    end
    assign b_data_o = b_bank[8*W*b_q2 +: 8*W];
  end else begin : gen_plain
    wire unused_ok = &{1'b0, a_pair_addr_i};
    assign a_data_o = a_bank;
    assign b_data_o = b_bank;
  end endgenerate

`ifdef FORMAL
  // The planner's group length never lets the post pipeline read and write in one cycle.
  always @* if (rst_ni) assume (!(post_we_i && post_rd_i));
`endif
endmodule
`default_nettype wire
