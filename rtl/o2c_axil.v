`default_nettype none
// AXI4-Lite slave to register accesses: one write and one read at a time, the two independent of
// each other.
//
//   write: wr_en_o for one cycle with address, data and a mask of the strobed bits; wr_bad_i says
//          in that cycle whether the address can't be written, and becomes BRESP = SLVERR
//   read:  rd_en_o for one cycle with the address; rd_data_i and rd_bad_i in that cycle become
//          RDATA and RRESP
//
// Parameters (checked at elaboration)
//   ADDR_W  3..32   bits of a byte address; the low two are ignored, every access is a whole word
// Handshake  AXI4-Lite. AW and W are taken in any order and any distance. Responses hold until
//            ready, come only after their requests, and all outputs to the bus come from registers.
// Latency    address (and data) to response: 2 cycles. A write and a read every 3 cycles.
// Reset      rst_ni synchronous, active low: no response, requests taken are forgotten
//
//   clk_i             _/~\_/~\_/~\_/~\_/~\_
//   awvalid, wvalid   ~~~~\________________
//   wr_en_o           ____/~~~\____________
//   bvalid            ________/~~~~~~~\____
//   bready            ____________/~~~~~~~~
module o2c_axil #(
  parameter integer ADDR_W = 8
) (
  input  wire              clk_i,
  input  wire              rst_ni,
  // AXI4-Lite
  input  wire              s_awvalid_i,
  output wire              s_awready_o,
  input  wire [ADDR_W-1:0] s_awaddr_i,
  input  wire              s_wvalid_i,
  output wire              s_wready_o,
  input  wire       [31:0] s_wdata_i,
  input  wire        [3:0] s_wstrb_i,
  output wire              s_bvalid_o,
  input  wire              s_bready_i,
  output wire        [1:0] s_bresp_o,
  input  wire              s_arvalid_i,
  output wire              s_arready_o,
  input  wire [ADDR_W-1:0] s_araddr_i,
  output wire              s_rvalid_o,
  input  wire              s_rready_i,
  output wire       [31:0] s_rdata_o,
  output wire        [1:0] s_rresp_o,
  // Registers
  output wire              wr_en_o,
  output wire [ADDR_W-3:0] wr_word_o,
  output wire       [31:0] wr_data_o,
  output wire       [31:0] wr_mask_o,
  input  wire              wr_bad_i,
  output wire              rd_en_o,
  output wire [ADDR_W-3:0] rd_word_o,
  input  wire       [31:0] rd_data_i,
  input  wire              rd_bad_i
);

  generate if (ADDR_W < 3 || ADDR_W > 32) begin : gen_bad_width
`ifdef VERILATOR
    $error("o2c_axil: ADDR_W must be 3..32");
`else
    o2c_axil_ERROR_ADDR_W_must_be_3_to_32 u_bad ();
`endif
  end endgenerate

  // ---- Write ------------------------------------------------------------------------------------
  reg              aw_q, w_q, b_q, b_bad_q;
  reg [ADDR_W-3:0] aw_word_q;
  reg [31:0]       w_data_q;
  reg [3:0]        w_strb_q;
  assign s_awready_o = !aw_q;
  assign s_wready_o  = !w_q;
  assign s_bvalid_o  = b_q;
  assign s_bresp_o   = {b_bad_q, 1'b0};
  assign wr_en_o     = aw_q && w_q && !b_q;
  assign wr_word_o   = aw_word_q;
  assign wr_data_o   = w_data_q;
  assign wr_mask_o   = {{8{w_strb_q[3]}}, {8{w_strb_q[2]}}, {8{w_strb_q[1]}}, {8{w_strb_q[0]}}};
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_q <= 1'b0;
      w_q <= 1'b0;
      b_q <= 1'b0;
    end else begin
      aw_q <= (aw_q || s_awvalid_i) && !wr_en_o;
      w_q <= (w_q || s_wvalid_i) && !wr_en_o;
      b_q <= wr_en_o || (b_q && !s_bready_i);
    end
    if (!aw_q) aw_word_q <= s_awaddr_i[ADDR_W-1:2];
    if (!w_q) {w_data_q, w_strb_q} <= {s_wdata_i, s_wstrb_i};
    if (wr_en_o) b_bad_q <= wr_bad_i;
  end

  // ---- Read -------------------------------------------------------------------------------------
  reg              ar_q, r_q, r_bad_q;
  reg [ADDR_W-3:0] ar_word_q;
  reg [31:0]       r_data_q;
  assign s_arready_o = !ar_q;
  assign s_rvalid_o  = r_q;
  assign s_rresp_o   = {r_bad_q, 1'b0};
  assign s_rdata_o   = r_data_q;
  assign rd_en_o     = ar_q && !r_q;
  assign rd_word_o   = ar_word_q;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      ar_q <= 1'b0;
      r_q <= 1'b0;
    end else begin
      ar_q <= (ar_q || s_arvalid_i) && !rd_en_o;
      r_q <= rd_en_o || (r_q && !s_rready_i);
    end
    if (!ar_q) ar_word_q <= s_araddr_i[ADDR_W-1:2];
    if (rd_en_o) begin
      r_bad_q <= rd_bad_i;
      r_data_q <= rd_data_i;
    end
  end

  wire unused_ok = &{1'b0, s_awaddr_i[1:0], s_araddr_i[1:0]};

`ifdef FORMAL
  reg        f_started, f_b_held, f_r_held;
  reg [1:0]  f_bresp, f_rresp;
  reg [31:0] f_rdata;
  reg [3:0]  f_aw, f_w, f_ar;  // requests without a response, modulo 16
  initial begin
    f_started = 1'b0;
    f_b_held = 1'b0;
    f_r_held = 1'b0;
    f_aw = 4'd0;
    f_w = 4'd0;
    f_ar = 4'd0;
  end
  wire f_b = s_bvalid_o && s_bready_i;
  wire f_r = s_rvalid_o && s_rready_i;
  always @(posedge clk_i) begin
    f_started <= 1'b1;
    f_b_held <= rst_ni && s_bvalid_o && !s_bready_i;
    f_r_held <= rst_ni && s_rvalid_o && !s_rready_i;
    f_bresp <= s_bresp_o;
    f_rresp <= s_rresp_o;
    f_rdata <= s_rdata_o;
    if (!rst_ni) begin
      f_aw <= 4'd0;
      f_w <= 4'd0;
      f_ar <= 4'd0;
    end else begin
      f_aw <= f_aw + {3'd0, s_awvalid_i && s_awready_o} - {3'd0, f_b};
      f_w <= f_w + {3'd0, s_wvalid_i && s_wready_o} - {3'd0, f_b};
      f_ar <= f_ar + {3'd0, s_arvalid_i && s_arready_o} - {3'd0, f_r};
    end
  end
  always @* begin
    if (!f_started) assume (!rst_ni);
    if (f_started) begin
      // Responses hold until they are taken.
      if (f_b_held) assert (s_bvalid_o && s_bresp_o == f_bresp);
      if (f_r_held) assert (s_rvalid_o && s_rresp_o == f_rresp && s_rdata_o == f_rdata);
      // No response without a request, none lost: what is open is what stands in the registers.
      assert (f_aw == {3'd0, aw_q} + {3'd0, b_q});
      assert (f_w == {3'd0, w_q} + {3'd0, b_q});
      assert (f_ar == {3'd0, ar_q} + {3'd0, r_q});
      if (s_bvalid_o) assert (f_aw != 4'd0 && f_w != 4'd0);
      if (s_rvalid_o) assert (f_ar != 4'd0);
      // Only OKAY and SLVERR.
      assert (!s_bresp_o[0] && !s_rresp_o[0]);
      // An access happens once for each response.
      if (wr_en_o) assert (aw_q && w_q && !s_bvalid_o);
      if (rd_en_o) assert (ar_q && !s_rvalid_o);
    end
  end
`endif
endmodule
`default_nettype wire
