`default_nettype none
// The accelerator: the engine and everything around it, as an AXI peripheral.
//
// STREAM_W   8 .. 512, power of two: width of both AXI4-Streams
// EXT        1: weights and parameters come from external memory through m_axi_*; 0: they are WEIGHT_INIT and PARAM_INIT, and
//            m_axi_* does nothing. ADDR_W, BUS_W, BURST, OUTSTANDING, NCMDS, CMD_INIT: see o2c_dma
// SPILL      1, with EXT: activations are stored in external memory and loaded from there; 0: the write channels do nothing
// N_IN, N_OUT   tensors of a sample and of a result; IN_*, FOLD_*, PAD_VALUE, OUT_* and HEAD* have 32 bits for each, see o2c_shell
// All other parameters: see o2c_engine, o2c_ingest and o2c_result (IN_*, FOLD_*, OUT_*, HEAD_*).
//
// One packet of s_axis is one sample, the quantized bytes of one input after another, each in row, column, channel order;
// one packet of m_axis is its result, likewise. Registers: see o2c_axil_regs. A sample starts when it is complete, ctrl.auto is set or a start is
// remembered, and its result may be written. The next sample's input and the previous one's output move meanwhile,
// in slots of the scratchpad's port B that the engine leaves free.
//
// Reset: rst_ni, synchronous, active low. Every handshake: transfer iff valid && ready.
module o2c_accelerator #(
  parameter integer STREAM_W  = 32,
  parameter integer P           = 4,
  parameter integer C           = 4,
  parameter integer K           = 16,
  parameter integer R           = 4,
  parameter integer XB          = 8,
  parameter integer WB          = 8,
  parameter integer MUL_STYLE   = 0,
  parameter integer SUM_W       = 24,
  parameter integer POOL_W      = 16,
  parameter integer ACC_W       = 25,
  parameter integer BIAS_W      = 24,
  parameter integer MUL_W       = 20,
  parameter integer OFF_W       = 44,
  parameter integer SHIFT_W     = 6,
  parameter integer SHIFT_BASE  = 0,
  parameter integer SHIFT_MAX   = 40,
  parameter integer EXACT       = 0,
  parameter integer DEPTH       = 4096,
  parameter integer WDEPTH      = 1024,
  parameter integer PDEPTH      = 64,
  parameter integer NLAYERS     = 1,
  parameter integer CHANGES     = 0,
  parameter integer NROM        = 1,
  parameter integer CW          = 8,
  parameter integer NW          = 8,
  parameter integer MW          = 16,
  parameter integer HAS_ARRAY   = 1,
  parameter integer HAS_POOL    = 1,
  parameter integer HAS_PRODUCT = 0,
  parameter integer HAS_STEP    = 1,
  parameter integer HAS_SLIDE   = 0,
  parameter integer HAS_RING    = 0,
  parameter integer BANKS       = 1,
  parameter integer PSUM_DEPTH  = 0,
  parameter integer HAS_TABLE   = 1,
  parameter integer TABLE_W     = 18,
  parameter integer TABLE_SHIFT = 8,
  parameter integer TABLE_WINDOW = 0,
  parameter integer FLOAT_W   = 0,
  parameter integer SELECT_W  = 0,
  parameter integer TDEPTH      = 256,
  parameter integer EXT         = 0,
  parameter integer ADDR_W      = 64,
  parameter integer BUS_W       = 64,
  parameter integer BURST       = 16,
  parameter integer OUTSTANDING = 4,
  parameter integer NCMDS       = 1,
  parameter integer SPILL       = 0,
  parameter integer N_IN        = 1,
  parameter integer N_OUT       = 1,
  parameter [32*N_IN-1:0] IN_BASE = {N_IN{32'd0}},
  parameter [32*N_IN-1:0] IN_PIXEL_STEP = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] IN_WORD_STEP = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] IN_H = {N_IN{32'd32}},
  parameter [32*N_IN-1:0] IN_W = {N_IN{32'd32}},
  parameter [32*N_IN-1:0] IN_C = {N_IN{32'd3}},
  parameter [32*N_IN-1:0] IN_LANES = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] IN_XOR = {N_IN{32'd0}},
  parameter [32*N_IN-1:0] FOLD_KH = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] FOLD_KW = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] FOLD_STRIDE_H = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] FOLD_STRIDE = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] FOLD_PAD_T = {N_IN{32'd0}},
  parameter [32*N_IN-1:0] FOLD_PAD_L = {N_IN{32'd0}},
  parameter [32*N_IN-1:0] FOLD_OUT_H = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] FOLD_OUT_W = {N_IN{32'd1}},
  parameter [32*N_IN-1:0] PAD_VALUE = {N_IN{32'd0}},
  parameter integer IN_RING     = 0,
  parameter [32*N_OUT-1:0] OUT_BASE = {N_OUT{32'd0}},
  parameter [32*N_OUT-1:0] OUT_PIXEL_STEP = {N_OUT{32'd1}},
  parameter [32*N_OUT-1:0] OUT_WORD_STEP = {N_OUT{32'd1}},
  parameter [32*N_OUT-1:0] OUT_PIXELS = {N_OUT{32'd1}},
  parameter [32*N_OUT-1:0] OUT_C = {N_OUT{32'd10}},
  parameter [32*N_OUT-1:0] OUT_XOR = {N_OUT{32'd0}},
  parameter [32*N_OUT-1:0] HEAD = {N_OUT{32'd0}},
  parameter [32*N_OUT-1:0] HEAD_N = {N_OUT{32'd1}},
  parameter [32*N_OUT-1:0] HEAD_FLAGS = {N_OUT{32'd0}},
  parameter integer HEAD_EXP_W  = 2,
  parameter integer HEAD_NUM_W  = 2,
  parameter integer HEAD_ZERO   = 0,
  parameter integer HEAD_MOST   = 0,
  parameter         DESC_INIT   = "",
  parameter         WEIGHT_INIT = "",
  parameter         PARAM_INIT  = "",
  parameter         TABLE_A_INIT = "",
  parameter         TABLE_B_INIT = "",
  parameter         CMD_INIT    = "",
  parameter         HEAD_INIT   = ""
) (
  input  wire                  clk_i,
  input  wire                  rst_ni,
  // AXI4-Lite control
  input  wire [7:0]            s_axil_awaddr,
  input  wire [2:0]            s_axil_awprot,
  input  wire                  s_axil_awvalid,
  output wire                  s_axil_awready,
  input  wire [31:0]           s_axil_wdata,
  input  wire [3:0]            s_axil_wstrb,
  input  wire                  s_axil_wvalid,
  output wire                  s_axil_wready,
  output wire [1:0]            s_axil_bresp,
  output wire                  s_axil_bvalid,
  input  wire                  s_axil_bready,
  input  wire [7:0]            s_axil_araddr,
  input  wire [2:0]            s_axil_arprot,
  input  wire                  s_axil_arvalid,
  output wire                  s_axil_arready,
  output wire [31:0]           s_axil_rdata,
  output wire [1:0]            s_axil_rresp,
  output wire                  s_axil_rvalid,
  input  wire                  s_axil_rready,
  // AXI4-Stream input
  input  wire [STREAM_W-1:0]   s_axis_tdata,
  input  wire [STREAM_W/8-1:0] s_axis_tkeep,
  input  wire                  s_axis_tvalid,
  output wire                  s_axis_tready,
  input  wire                  s_axis_tlast,
  // AXI4-Stream output
  output wire [STREAM_W-1:0]   m_axis_tdata,
  output wire [STREAM_W/8-1:0] m_axis_tkeep,
  output wire                  m_axis_tvalid,
  input  wire                  m_axis_tready,
  output wire                  m_axis_tlast,
  // AXI4, external memory
  output wire [ADDR_W-1:0]     m_axi_araddr,
  output wire [7:0]            m_axi_arlen,
  output wire [2:0]            m_axi_arsize,
  output wire [1:0]            m_axi_arburst,
  output wire [2:0]            m_axi_arprot,
  output wire [3:0]            m_axi_arcache,
  output wire                  m_axi_arvalid,
  input  wire                  m_axi_arready,
  input  wire [BUS_W-1:0]      m_axi_rdata,
  input  wire [1:0]            m_axi_rresp,
  input  wire                  m_axi_rlast,
  input  wire                  m_axi_rvalid,
  output wire                  m_axi_rready,
  output wire [ADDR_W-1:0]     m_axi_awaddr,
  output wire [7:0]            m_axi_awlen,
  output wire [2:0]            m_axi_awsize,
  output wire [1:0]            m_axi_awburst,
  output wire [2:0]            m_axi_awprot,
  output wire [3:0]            m_axi_awcache,
  output wire                  m_axi_awvalid,
  input  wire                  m_axi_awready,
  output wire [BUS_W-1:0]      m_axi_wdata,
  output wire [BUS_W/8-1:0]    m_axi_wstrb,
  output wire                  m_axi_wlast,
  output wire                  m_axi_wvalid,
  input  wire                  m_axi_wready,
  input  wire [1:0]            m_axi_bresp,
  input  wire                  m_axi_bvalid,
  output wire                  m_axi_bready,
  // Status
  output wire                  irq_o
);
  localparam integer W  = P * C;
  localparam integer WEIGHT_W = K * C * WB;
  localparam integer PARAM_W  = R * (BIAS_W + MUL_W + OFF_W + SHIFT_W + EXACT) + SELECT_W;
  localparam integer AW = DEPTH > 1 ? $clog2(DEPTH) : 1;

  wire           engine_rst_n, run, sample_ready, sample_start, busy, in_free, out_ready, out_done;
  wire [15:0]    in_rows, in_freed;
  wire           wr_valid, wr_ready, rd_valid, rd_ready, rd_data_valid;
  wire [AW-1:0]  wr_addr, rd_addr;
  wire [8*W-1:0] wr_data, rd_data;
  wire           settled, drained, bus_error, ext_step, ext_load, ext_we_weight, ext_we_param;
  wire [63:0]    ext_base;
  wire [23:0]    ext_addr;
  wire [WEIGHT_W-1:0] ext_weight;
  wire [PARAM_W-1:0]  ext_param;
  wire           spill_valid, spill_we, spill_ready;
  wire [23:0]    spill_addr;
  wire [8*W-1:0] spill_data;
  // AXI4-Lite protection is not used.
  wire           unused_ok = &{1'b0, s_axil_awprot, s_axil_arprot};

  o2c_shell #(
    .W (W), .AW (AW), .S_DATA_W (STREAM_W), .M_DATA_W (STREAM_W),
    .N_IN (N_IN), .N_OUT (N_OUT), .IN_BASE (IN_BASE), .IN_PIXEL_STEP (IN_PIXEL_STEP), .IN_WORD_STEP (IN_WORD_STEP),
    .IN_H (IN_H), .IN_W (IN_W), .IN_C (IN_C), .IN_LANES (IN_LANES), .IN_XOR (IN_XOR),
    .FOLD_KH (FOLD_KH), .FOLD_KW (FOLD_KW), .FOLD_STRIDE_H (FOLD_STRIDE_H), .FOLD_STRIDE (FOLD_STRIDE),
    .FOLD_PAD_T (FOLD_PAD_T), .FOLD_PAD_L (FOLD_PAD_L), .FOLD_OUT_H (FOLD_OUT_H), .FOLD_OUT_W (FOLD_OUT_W),
    .IN_RING (IN_RING), .PAD_VALUE (PAD_VALUE), .OUT_BASE (OUT_BASE), .OUT_PIXEL_STEP (OUT_PIXEL_STEP), .OUT_WORD_STEP (OUT_WORD_STEP),
    .OUT_PIXELS (OUT_PIXELS), .OUT_C (OUT_C), .OUT_XOR (OUT_XOR),
    .HEAD (HEAD), .HEAD_N (HEAD_N), .HEAD_FLAGS (HEAD_FLAGS), .HEAD_EXP_W (HEAD_EXP_W), .HEAD_NUM_W (HEAD_NUM_W),
    .HEAD_ZERO (HEAD_ZERO), .HEAD_MOST (HEAD_MOST), .HEAD_INIT (HEAD_INIT),
    .LOG2_P ($clog2(P)), .LOG2_C ($clog2(C)), .LOG2_K ($clog2(K)), .LAYERS (NLAYERS)
  ) u_shell (
    .clk_i            (clk_i),
    .rst_ni           (rst_ni),
    .s_axil_awvalid_i (s_axil_awvalid),
    .s_axil_awready_o (s_axil_awready),
    .s_axil_awaddr_i  (s_axil_awaddr),
    .s_axil_wvalid_i  (s_axil_wvalid),
    .s_axil_wready_o  (s_axil_wready),
    .s_axil_wdata_i   (s_axil_wdata),
    .s_axil_wstrb_i   (s_axil_wstrb),
    .s_axil_bvalid_o  (s_axil_bvalid),
    .s_axil_bready_i  (s_axil_bready),
    .s_axil_bresp_o   (s_axil_bresp),
    .s_axil_arvalid_i (s_axil_arvalid),
    .s_axil_arready_o (s_axil_arready),
    .s_axil_araddr_i  (s_axil_araddr),
    .s_axil_rvalid_o  (s_axil_rvalid),
    .s_axil_rready_i  (s_axil_rready),
    .s_axil_rdata_o   (s_axil_rdata),
    .s_axil_rresp_o   (s_axil_rresp),
    .s_axis_tvalid_i  (s_axis_tvalid),
    .s_axis_tready_o  (s_axis_tready),
    .s_axis_tdata_i   (s_axis_tdata),
    .s_axis_tkeep_i   (s_axis_tkeep),
    .s_axis_tlast_i   (s_axis_tlast),
    .m_axis_tvalid_o  (m_axis_tvalid),
    .m_axis_tready_i  (m_axis_tready),
    .m_axis_tdata_o   (m_axis_tdata),
    .m_axis_tkeep_o   (m_axis_tkeep),
    .m_axis_tlast_o   (m_axis_tlast),
    .irq_o            (irq_o),
    .engine_rst_no    (engine_rst_n),
    .drained_i        (drained),
    .bus_error_i      (bus_error),
    .ext_base_o       (ext_base),
    .run_o            (run),
    .sample_ready_o   (sample_ready),
    .sample_start_i   (sample_start),
    .busy_i           (busy),
    .in_free_i        (in_free),
    .in_rows_o        (in_rows),
    .in_freed_i       (in_freed),
    .out_ready_o      (out_ready),
    .out_done_i       (out_done),
    .wr_valid_o       (wr_valid),
    .wr_ready_i       (wr_ready),
    .wr_addr_o        (wr_addr),
    .wr_data_o        (wr_data),
    .rd_valid_o       (rd_valid),
    .rd_ready_i       (rd_ready),
    .rd_addr_o        (rd_addr),
    .rd_data_valid_i  (rd_data_valid),
    .rd_data_i        (rd_data)
  );

  o2c_engine #(
    .P (P), .C (C), .K (K), .R (R), .XB (XB), .WB (WB), .MUL_STYLE (MUL_STYLE), .SUM_W (SUM_W),
    .POOL_W (POOL_W), .ACC_W (ACC_W), .BIAS_W (BIAS_W), .MUL_W (MUL_W), .OFF_W (OFF_W), .SHIFT_W (SHIFT_W),
    .SHIFT_BASE (SHIFT_BASE), .SHIFT_MAX (SHIFT_MAX), .EXACT (EXACT), .DEPTH (DEPTH), .WDEPTH (WDEPTH), .PDEPTH (PDEPTH),
    .NLAYERS (NLAYERS), .CHANGES (CHANGES), .NROM (NROM), .CW (CW), .NW (NW), .MW (MW), .HAS_ARRAY (HAS_ARRAY), .HAS_POOL (HAS_POOL),
    .HAS_PRODUCT (HAS_PRODUCT), .HAS_STEP (HAS_STEP), .HAS_SLIDE (HAS_SLIDE), .HAS_RING (HAS_RING), .IN_RING (IN_RING != 0 ? 1 : 0),
    .BANKS (BANKS), .PSUM_DEPTH (PSUM_DEPTH),
    .HAS_TABLE (HAS_TABLE), .TABLE_W (TABLE_W), .TABLE_SHIFT (TABLE_SHIFT), .TABLE_WINDOW (TABLE_WINDOW), .FLOAT_W (FLOAT_W), .SELECT_W (SELECT_W), .TDEPTH (TDEPTH), .EXT (EXT), .DESC_INIT (DESC_INIT), .WEIGHT_INIT (WEIGHT_INIT), .PARAM_INIT (PARAM_INIT),
    .TABLE_A_INIT (TABLE_A_INIT), .TABLE_B_INIT (TABLE_B_INIT)
  ) u_engine (
    .clk_i               (clk_i),
    .rst_ni              (engine_rst_n),
    .run_i               (run),
    // A sample finds everything loaded that no step of its own has to make room for: its cycles do not vary.
    .sample_ready_i      (sample_ready & settled),
    .sample_start_o      (sample_start),
    .in_free_o           (in_free),
    .in_rows_i           (in_rows),
    .in_freed_o          (in_freed),
    .out_ready_i         (out_ready),
    .out_done_o          (out_done),
    .busy_o              (busy),
    .ext_step_o          (ext_step),
    .ext_load_i          (ext_load),
    .ext_we_weight_i     (ext_we_weight),
    .ext_we_param_i      (ext_we_param),
    .ext_addr_i          (ext_addr),
    .ext_weight_i        (ext_weight),
    .ext_param_i         (ext_param),
    .spill_valid_i       (spill_valid),
    .spill_we_i          (spill_we),
    .spill_ready_o       (spill_ready),
    .spill_addr_i        (spill_addr[AW-1:0]),
    .spill_data_i        (spill_data),
    .in_wr_valid_i       (wr_valid),
    .in_wr_ready_o       (wr_ready),
    .in_wr_addr_i        (wr_addr),
    .in_wr_data_i        (wr_data),
    .out_rd_valid_i      (rd_valid),
    .out_rd_ready_o      (rd_ready),
    .out_rd_addr_i       (rd_addr),
    .out_rd_data_valid_o (rd_data_valid),
    .out_rd_data_o       (rd_data)
  );

  generate if (EXT != 0) begin : gen_dma
    o2c_dma #(
      .BUS_W (BUS_W), .ADDR_W (ADDR_W), .BURST (BURST), .OUTSTANDING (OUTSTANDING), .NCMDS (NCMDS),
      .WEIGHT_W (WEIGHT_W), .PARAM_W (PARAM_W), .SPILL (SPILL), .W (W), .CMD_INIT (CMD_INIT)
    ) u_dma (
      .clk_i           (clk_i),
      .rst_ni          (rst_ni),
      .clear_i         (!engine_rst_n),
      .run_i           (run),
      .base_i          (ext_base[ADDR_W-1:0]),
      .step_i          (ext_step),
      .load_done_o     (ext_load),
      .drained_o       (drained),
      .settled_o       (settled),
      .error_o         (bus_error),
      .we_weight_o     (ext_we_weight),
      .we_param_o      (ext_we_param),
      .waddr_o         (ext_addr),
      .weight_o        (ext_weight),
      .param_o         (ext_param),
      .spill_valid_o   (spill_valid),
      .spill_we_o      (spill_we),
      .spill_ready_i   (spill_ready),
      .spill_addr_o    (spill_addr),
      .spill_data_o    (spill_data),
      .spill_data_i    (rd_data),
      .m_axi_araddr_o  (m_axi_araddr),
      .m_axi_arlen_o   (m_axi_arlen),
      .m_axi_arsize_o  (m_axi_arsize),
      .m_axi_arburst_o (m_axi_arburst),
      .m_axi_arprot_o  (m_axi_arprot),
      .m_axi_arcache_o (m_axi_arcache),
      .m_axi_arvalid_o (m_axi_arvalid),
      .m_axi_arready_i (m_axi_arready),
      .m_axi_rdata_i   (m_axi_rdata),
      .m_axi_rresp_i   (m_axi_rresp),
      .m_axi_rlast_i   (m_axi_rlast),
      .m_axi_rvalid_i  (m_axi_rvalid),
      .m_axi_rready_o  (m_axi_rready),
      .m_axi_awaddr_o  (m_axi_awaddr),
      .m_axi_awlen_o   (m_axi_awlen),
      .m_axi_awsize_o  (m_axi_awsize),
      .m_axi_awburst_o (m_axi_awburst),
      .m_axi_awprot_o  (m_axi_awprot),
      .m_axi_awcache_o (m_axi_awcache),
      .m_axi_awvalid_o (m_axi_awvalid),
      .m_axi_awready_i (m_axi_awready),
      .m_axi_wdata_o   (m_axi_wdata),
      .m_axi_wstrb_o   (m_axi_wstrb),
      .m_axi_wlast_o   (m_axi_wlast),
      .m_axi_wvalid_o  (m_axi_wvalid),
      .m_axi_wready_i  (m_axi_wready),
      .m_axi_bresp_i   (m_axi_bresp),
      .m_axi_bvalid_i  (m_axi_bvalid),
      .m_axi_bready_o  (m_axi_bready)
    );
    wire unused_spill = &{1'b0, spill_addr};
    if (ADDR_W < 64) begin : gen_unused_base
      wire unused_base = &{1'b0, ext_base[63:ADDR_W]};
    end
  end else begin : gen_no_dma
    assign drained       = 1'b1;
    assign settled       = 1'b1;
    assign bus_error     = 1'b0;
    assign ext_load      = 1'b0;
    assign ext_we_weight = 1'b0;
    assign ext_we_param  = 1'b0;
    assign ext_addr      = 24'd0;
    assign ext_weight    = {WEIGHT_W{1'b0}};
    assign ext_param     = {PARAM_W{1'b0}};
    assign m_axi_araddr  = {ADDR_W{1'b0}};
    assign m_axi_arlen   = 8'd0;
    assign m_axi_arsize  = 3'd0;
    assign m_axi_arburst = 2'b01;
    assign m_axi_arprot  = 3'd0;
    assign m_axi_arcache = 4'd0;
    assign m_axi_arvalid = 1'b0;
    assign m_axi_rready  = 1'b0;
    assign m_axi_awaddr  = {ADDR_W{1'b0}};
    assign m_axi_awlen   = 8'd0;
    assign m_axi_awsize  = 3'd0;
    assign m_axi_awburst = 2'b01;
    assign m_axi_awprot  = 3'd0;
    assign m_axi_awcache = 4'd0;
    assign m_axi_awvalid = 1'b0;
    assign m_axi_wdata   = {BUS_W{1'b0}};
    assign m_axi_wstrb   = {(BUS_W/8){1'b0}};
    assign m_axi_wlast   = 1'b0;
    assign m_axi_wvalid  = 1'b0;
    assign m_axi_bready  = 1'b0;
    assign spill_valid   = 1'b0;
    assign spill_we      = 1'b0;
    assign spill_addr    = 24'd0;
    assign spill_data    = {(8*W){1'b0}};
    wire unused_ext = &{1'b0, ext_step, ext_base, m_axi_arready, m_axi_rdata, m_axi_rresp, m_axi_rlast, m_axi_rvalid,
                        m_axi_awready, m_axi_wready, m_axi_bresp, m_axi_bvalid, spill_ready, spill_addr,
                        SPILL[0], NCMDS[0], BURST[0], OUTSTANDING[0]};
  end endgenerate
endmodule
`default_nettype wire
