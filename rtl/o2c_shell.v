`default_nettype none
// Everything between the outside and the compute engine: AXI4-Lite registers, AXI4-Stream in and
// out, the two regions of the scratchpad that the outside fills and empties, cycle counters,
// interrupt, soft reset.
//
//   s_axis -> o2c_axis_unpack -> o2c_ingest -> write port (input region)
//   read port (output region) -> o2c_result -> o2c_axis_pack -> m_axis
//
// Parameters (checked here or in the units below)
//   W, AW            bytes of a scratchpad word, address bits of the scratchpad: see o2c_ingest
//   S_DATA_W, M_DATA_W   8..512, powers of two: widths of the two streams
//   IN_*, FOLD_*, PAD_VALUE   the input region: see o2c_ingest; IN_BASE is its BASE, IN_XOR its
//                    XOR, IN_PIXEL_STEP and IN_WORD_STEP its steps
//   OUT_*            the output region: likewise, see o2c_egress
//   HEAD, HEAD_*     the operator behind it: see o2c_result
//   LOG2_P, LOG2_C, LOG2_K   0..15: shape of the array, for software
//   LAYERS           0..65535: descriptors, for software
// Engine
//   engine_rst_no    low in reset and for 16 cycles of a soft reset, longer while drained_i is low
//   drained_i        level: no read of external memory is under way
//   bus_error_i      pulse: a response of external memory was an error
//   ext_base_o       where the image lies in external memory, a multiple of 4 KiB
//   run_o            level: a sample may be started (ctrl.auto, or a start is remembered)
//   sample_ready_o   level: a whole sample stands in the input region; with IN_RING, its first rows. Where such a
//                    sample's packet ends too early after its start, zeros complete it, its out_done_i brings no
//                    result and counts for nothing, and a remembered start that it used up is remembered again
//   sample_start_i   pulse, only while run_o and sample_ready_o: the engine begins; uses up one
//                    remembered start unless ctrl.auto is set
//   busy_i           level, high from the cycle of sample_start_i to that of out_done_i, both
//                    included: the cycles counted
//   in_free_i        pulse, once a sample: the input region has been read for the last time
//   out_ready_o      level: the output region may be written
//   out_done_i       pulse, once a sample: the last byte of the result has been written;
//                    out_ready_o falls
// Ports    wr_*: valid, address and word hold until ready. rd_*: likewise; data any cycles later:
//          see o2c_result.
// Reset    rst_ni synchronous, active low: everything. A soft reset leaves irq and error registers,
//          irq_enable and ctrl.auto alone, and cuts a packet that is on its way.
//
//   clk_i           _/~\_/~\_/~\_/~\_/~\_/~\_/~\_
//   sample_ready_o  ____/~~~~~~~~~~~~~~~\________
//   sample_start_i  ________/~~~\________________
//   busy_i          ________/~~~~~~~~~~~~~~~\____     cycles = 4
//   in_free_i       ________________/~~~\________
//   out_done_i      ____________________/~~~\____
//   out_ready_o     ~~~~~~~~~~~~~~~~~~~~~~~~\____
module o2c_shell #(
  parameter integer W           = 16,
  parameter integer AW          = 12,
  parameter integer S_DATA_W    = 32,
  parameter integer M_DATA_W    = 32,
  parameter integer IN_BASE     = 0,
  parameter integer IN_PIXEL_STEP = 1,
  parameter integer IN_WORD_STEP  = 1,
  parameter integer IN_H        = 32,
  parameter integer IN_W        = 32,
  parameter integer IN_C        = 3,
  parameter integer IN_XOR      = 0,
  parameter integer FOLD_KH     = 1,
  parameter integer FOLD_KW     = 1,
  parameter integer FOLD_STRIDE_H = 1,
  parameter integer FOLD_STRIDE = 1,
  parameter integer FOLD_PAD_T  = 0,
  parameter integer FOLD_PAD_L  = 0,
  parameter integer FOLD_OUT_H  = 1,
  parameter integer FOLD_OUT_W  = 1,
  parameter integer IN_RING     = 0,
  parameter integer PAD_VALUE   = 0,
  parameter integer OUT_BASE    = 0,
  parameter integer OUT_PIXEL_STEP = 1,
  parameter integer OUT_WORD_STEP  = 1,
  parameter integer OUT_PIXELS  = 1,
  parameter integer OUT_C       = 10,
  parameter integer OUT_XOR     = 0,
  parameter integer HEAD        = 0,
  parameter integer HEAD_N      = 1,
  parameter integer HEAD_FLAGS  = 0,
  parameter integer HEAD_EXP_W  = 2,
  parameter integer HEAD_NUM_W  = 2,
  parameter integer HEAD_ZERO   = 0,
  parameter integer HEAD_MOST   = 0,
  parameter         HEAD_INIT   = "",
  parameter integer LOG2_P      = 2,
  parameter integer LOG2_C      = 2,
  parameter integer LOG2_K      = 4,
  parameter integer LAYERS      = 1
) (
  input  wire                  clk_i,
  input  wire                  rst_ni,
  // Registers, AXI4-Lite
  input  wire                  s_axil_awvalid_i,
  output wire                  s_axil_awready_o,
  input  wire            [7:0] s_axil_awaddr_i,
  input  wire                  s_axil_wvalid_i,
  output wire                  s_axil_wready_o,
  input  wire           [31:0] s_axil_wdata_i,
  input  wire            [3:0] s_axil_wstrb_i,
  output wire                  s_axil_bvalid_o,
  input  wire                  s_axil_bready_i,
  output wire            [1:0] s_axil_bresp_o,
  input  wire                  s_axil_arvalid_i,
  output wire                  s_axil_arready_o,
  input  wire            [7:0] s_axil_araddr_i,
  output wire                  s_axil_rvalid_o,
  input  wire                  s_axil_rready_i,
  output wire           [31:0] s_axil_rdata_o,
  output wire            [1:0] s_axil_rresp_o,
  // Samples, AXI4-Stream
  input  wire                  s_axis_tvalid_i,
  output wire                  s_axis_tready_o,
  input  wire   [S_DATA_W-1:0] s_axis_tdata_i,
  input  wire [S_DATA_W/8-1:0] s_axis_tkeep_i,
  input  wire                  s_axis_tlast_i,
  // Results, AXI4-Stream
  output wire                  m_axis_tvalid_o,
  input  wire                  m_axis_tready_i,
  output wire   [M_DATA_W-1:0] m_axis_tdata_o,
  output wire [M_DATA_W/8-1:0] m_axis_tkeep_o,
  output wire                  m_axis_tlast_o,
  output wire                  irq_o,
  // Engine
  output wire                  engine_rst_no,
  input  wire                  drained_i,
  input  wire                  bus_error_i,
  output wire           [63:0] ext_base_o,
  output wire                  run_o,
  output wire                  sample_ready_o,
  input  wire                  sample_start_i,
  input  wire                  busy_i,
  input  wire                  in_free_i,
  output wire           [15:0] in_rows_o,
  input  wire           [15:0] in_freed_i,
  output wire                  out_ready_o,
  input  wire                  out_done_i,
  // Scratchpad
  output wire                  wr_valid_o,
  input  wire                  wr_ready_i,
  output wire         [AW-1:0] wr_addr_o,
  output wire        [8*W-1:0] wr_data_o,
  output wire                  rd_valid_o,
  input  wire                  rd_ready_i,
  output wire         [AW-1:0] rd_addr_o,
  input  wire                  rd_data_valid_i,
  input  wire        [8*W-1:0] rd_data_i
);

  generate if (LOG2_P < 0 || LOG2_P > 15 || LOG2_C < 0 || LOG2_C > 15 || LOG2_K < 0 || LOG2_K > 15
               || LAYERS < 0 || LAYERS > 65535) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_shell: LOG2_P, LOG2_C, LOG2_K must be 0..15, LAYERS 0..65535");
`else
    o2c_shell_ERROR_LOG2_P_C_K_must_be_0_to_15_LAYERS_0_to_65535 u_bad ();
`endif
  end endgenerate

  localparam integer Log2P  = LOG2_P;
  localparam integer Log2C  = LOG2_C;
  localparam integer Log2K  = LOG2_K;
  localparam integer Layers = LAYERS;

  // ---- Registers --------------------------------------------------------------------------------
  wire start, auto, soft_reset, error_short, error_long, bad_access;
  wire irq_done, irq_error, irq_done_enable, irq_error_enable;
  wire unused_short, unused_long, unused_bad, unused_bus;
  wire [19:0] base_lo;
  wire [31:0] base_hi;
  wire core_rst_n, resetting;
  reg  [7:0]  starts_q;
  reg  [31:0] cycles_q, samples_q;
  reg  [63:0] total_q;

  o2c_axil_regs u_regs (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_awvalid_i(s_axil_awvalid_i), .s_awready_o(s_axil_awready_o), .s_awaddr_i(s_axil_awaddr_i),
    .s_wvalid_i(s_axil_wvalid_i), .s_wready_o(s_axil_wready_o), .s_wdata_i(s_axil_wdata_i),
    .s_wstrb_i(s_axil_wstrb_i), .s_bvalid_o(s_axil_bvalid_o), .s_bready_i(s_axil_bready_i),
    .s_bresp_o(s_axil_bresp_o), .s_arvalid_i(s_axil_arvalid_i), .s_arready_o(s_axil_arready_o),
    .s_araddr_i(s_axil_araddr_i), .s_rvalid_o(s_axil_rvalid_o), .s_rready_i(s_axil_rready_i),
    .s_rdata_o(s_axil_rdata_o), .s_rresp_o(s_axil_rresp_o),
    .caps_log2_p_i(Log2P[3:0]), .caps_log2_c_i(Log2C[3:0]), .caps_log2_k_i(Log2K[3:0]),
    .ctrl_start_o(start), .ctrl_auto_o(auto), .ctrl_soft_reset_o(soft_reset),
    .status_busy_i(busy_i), .status_input_full_i(sample_ready_o),
    .status_output_full_i(!out_ready_o),
    .status_start_pending_i(starts_q != 8'd0), .status_resetting_i(resetting),
    .irq_enable_done_o(irq_done_enable), .irq_enable_error_o(irq_error_enable),
    .irq_status_done_set_i(result), .irq_status_done_o(irq_done),
    .irq_status_error_set_i(error_short || error_long || bad_access || bus_error_i),
    .irq_status_error_o(irq_error),
    .error_short_packet_set_i(error_short), .error_short_packet_o(unused_short),
    .error_long_packet_set_i(error_long), .error_long_packet_o(unused_long),
    .error_bad_access_set_i(bad_access), .error_bad_access_o(unused_bad),
    .error_bus_set_i(bus_error_i), .error_bus_o(unused_bus),
    .ext_base_lo_o(base_lo), .ext_base_hi_o(base_hi),
    .cycles_i(cycles_q), .layers_i(Layers[15:0]), .samples_i(samples_q),
    .total_cycles_lo_i(total_q[31:0]), .total_cycles_hi_i(total_q[63:32]),
    .bad_access_o(bad_access)
  );

  reg irq_q;
  always @(posedge clk_i) begin
    if (!rst_ni) irq_q <= 1'b0;
    else irq_q <= (irq_done && irq_done_enable) || (irq_error && irq_error_enable);
  end
  assign irq_o = irq_q;

  assign ext_base_o = {base_hi, base_lo, 12'd0};

  // ---- Soft reset: 16 cycles, longer than any read in the engine is under way -------------------
  reg       core_rst_nq;
  reg [3:0] reset_left_q;
  always @(posedge clk_i) begin
    if (!rst_ni || soft_reset) begin
      core_rst_nq <= 1'b0;
      reset_left_q <= 4'd15;
    end else if (reset_left_q != 4'd0) begin
      reset_left_q <= reset_left_q - 4'd1;
    end else if (drained_i) begin
      core_rst_nq <= 1'b1;
    end
  end
  assign core_rst_n    = core_rst_nq;
  assign resetting     = !core_rst_nq;
  assign engine_rst_no = core_rst_nq;

  // ---- Starts and counters ----------------------------------------------------------------------
  wire use_start = sample_start_i && !auto && starts_q != 8'd0;
  reg  begun_q, used_q, bad_q;  // the input region's sample is being computed; it has used a start; it is to be dropped
  wire spoilt;
  wire begun     = begun_q || sample_start_i;
  wire bad       = bad_q || spoilt;
  wire result    = out_done_i && !bad;
  wire again     = out_done_i && bad && used_q;
  wire [8:0] starts = {1'b0, starts_q} + {8'd0, start} + {8'd0, again} - {8'd0, use_start};
  reg  [31:0] count_q;  // cycles of the sample under way, this one not included
  wire [31:0] count = (sample_start_i ? 32'd0 : count_q) + {31'd0, busy_i};
  always @(posedge clk_i) begin
    if (!core_rst_n) begin
      starts_q <= 8'd0;
      cycles_q <= 32'd0;
      samples_q <= 32'd0;
      total_q <= 64'd0;
      count_q <= 32'd0;
      begun_q <= 1'b0;
      used_q <= 1'b0;
      bad_q <= 1'b0;
    end else begin
      starts_q <= starts[8] ? 8'd255 : starts[7:0];
      begun_q <= begun && !in_free_i;
      if (sample_start_i) used_q <= use_start;
      bad_q <= bad && !out_done_i && !sample_start_i;
      count_q <= count;
      if (busy_i) total_q <= total_q + 64'd1;
      if (result) begin
        cycles_q <= count;
        samples_q <= samples_q + 32'd1;
      end
    end
  end
  assign run_o = auto || starts_q != 8'd0;

  // ---- In ---------------------------------------------------------------------------------------
  wire       in_valid, in_ready, in_last, in_full, unpack_ready;
  wire [7:0] in_data;
  o2c_axis_unpack #(.DATA_W(S_DATA_W)) u_unpack (
    .clk_i(clk_i), .rst_ni(core_rst_n),
    .s_tvalid_i(s_axis_tvalid_i && core_rst_n), .s_tready_o(unpack_ready),
    .s_tdata_i(s_axis_tdata_i),
    .s_tkeep_i(s_axis_tkeep_i), .s_tlast_i(s_axis_tlast_i),
    .m_valid_o(in_valid), .m_ready_i(in_ready), .m_data_o(in_data), .m_last_o(in_last)
  );
  // No beat is taken while the unit is in reset.
  assign s_axis_tready_o = unpack_ready && core_rst_n;

  o2c_ingest #(
    .W(W), .AW(AW), .BASE(IN_BASE), .PIXEL_STEP(IN_PIXEL_STEP), .WORD_STEP(IN_WORD_STEP),
    .IN_H(IN_H), .IN_W(IN_W), .IN_C(IN_C), .XOR(IN_XOR),
    .FOLD_KH(FOLD_KH), .FOLD_KW(FOLD_KW), .FOLD_STRIDE_H(FOLD_STRIDE_H), .FOLD_STRIDE(FOLD_STRIDE),
    .FOLD_PAD_T(FOLD_PAD_T), .FOLD_PAD_L(FOLD_PAD_L), .FOLD_OUT_H(FOLD_OUT_H),
    .FOLD_OUT_W(FOLD_OUT_W), .RING(IN_RING), .PAD_VALUE(PAD_VALUE)
  ) u_ingest (
    .clk_i(clk_i), .rst_ni(core_rst_n),
    .s_valid_i(in_valid), .s_ready_o(in_ready), .s_data_i(in_data), .s_last_i(in_last),
    .wr_valid_o(wr_valid_o), .wr_ready_i(wr_ready_i), .wr_addr_o(wr_addr_o), .wr_data_o(wr_data_o),
    .full_o(in_full), .rows_o(in_rows_o), .freed_i(in_freed_i), .begun_i(begun), .free_i(in_free_i),
    .spoilt_o(spoilt), .err_short_o(error_short), .err_long_o(error_long)
  );

  // A sample may start with its first rows: as many as the region holds.
  localparam integer InRing = IN_RING;
  assign sample_ready_o = in_full || (IN_RING != 0 && in_rows_o >= InRing[15:0]);

  // ---- Out --------------------------------------------------------------------------------------
  wire       out_valid, out_ready, out_last;
  wire [7:0] out_data;
  o2c_result #(
    .W(W), .AW(AW), .BASE(OUT_BASE), .PIXEL_STEP(OUT_PIXEL_STEP), .WORD_STEP(OUT_WORD_STEP),
    .OUT_PIXELS(OUT_PIXELS), .OUT_C(OUT_C), .XOR(OUT_XOR),
    .HEAD(HEAD), .HEAD_N(HEAD_N), .HEAD_FLAGS(HEAD_FLAGS), .HEAD_EXP_W(HEAD_EXP_W), .HEAD_NUM_W(HEAD_NUM_W),
    .HEAD_ZERO(HEAD_ZERO), .HEAD_MOST(HEAD_MOST), .HEAD_INIT(HEAD_INIT)
  ) u_result (
    .clk_i(clk_i), .rst_ni(core_rst_n), .start_i(result), .empty_o(out_ready_o),
    .rd_valid_o(rd_valid_o), .rd_ready_i(rd_ready_i), .rd_addr_o(rd_addr_o),
    .rd_data_valid_i(rd_data_valid_i), .rd_data_i(rd_data_i),
    .m_valid_o(out_valid), .m_ready_i(out_ready), .m_data_o(out_data), .m_last_o(out_last)
  );
  o2c_axis_pack #(.DATA_W(M_DATA_W)) u_pack (
    .clk_i(clk_i), .rst_ni(core_rst_n),
    .s_valid_i(out_valid), .s_ready_o(out_ready), .s_data_i(out_data), .s_last_i(out_last),
    .m_tvalid_o(m_axis_tvalid_o), .m_tready_i(m_axis_tready_i), .m_tdata_o(m_axis_tdata_o),
    .m_tkeep_o(m_axis_tkeep_o), .m_tlast_o(m_axis_tlast_o)
  );

  wire unused_ok = &{1'b0, unused_short, unused_long, unused_bad, unused_bus};
endmodule
`default_nettype wire
