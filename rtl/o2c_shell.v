`default_nettype none
// Everything between the outside and the compute engine: AXI4-Lite registers, AXI4-Stream in and
// out, the two regions of the scratchpad that the outside fills and empties, cycle counters,
// interrupt, soft reset.
//
//   s_axis -> o2c_axis_unpack -> o2c_ingest -> write port (input regions)
//   read port (output regions) -> o2c_result -> o2c_axis_pack -> m_axis
//
// A packet of s_axis holds the bytes of N_IN tensors one after another, each for a region of its
// own; one of m_axis those of N_OUT regions. TLAST belongs on the last byte of all. Below, the input
// region and the output region are all of them: they are full, freed, written and sent together. A
// packet that ends too early is dropped as a whole.
//
// Speed    While wr_ready_i is high and bytes are there, a tensor's first byte is taken in the cycle
//          in which the tensor before it is full: sample_ready_o rises after the sum of the cycles
//          that the header of o2c_ingest gives for each, counted from the first byte. A tensor of
//          the result is read when the one before has been sent.
//
// Parameters (checked here or in the units below)
//   W, AW            bytes of a scratchpad word, address bits of the scratchpad: see o2c_ingest
//   S_DATA_W, M_DATA_W   8..512, powers of two: widths of the two streams
//   IN_LANES         bytes of each input taken at once: see o2c_ingest; at most S_DATA_W/8
//   N_IN, N_OUT      1..255: tensors of a sample and of a result
//   IN_*, FOLD_*, PAD_VALUE   the input regions: see o2c_ingest; IN_BASE is its BASE, IN_XOR its
//                    XOR, IN_PIXEL_STEP and IN_WORD_STEP its steps. Each has 32 bits a tensor, the first the lowest
//   IN_RING          its RING; 0 where there are several inputs
//   OUT_*            the output regions: likewise, see o2c_egress
//   HEAD, HEAD_N, HEAD_FLAGS   the operators behind them: likewise, see o2c_result; the other HEAD_* are
//                    those of the only o2c_softmax
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
               || LAYERS < 0 || LAYERS > 65535 || N_IN < 1 || N_IN > 255 || N_OUT < 1 || N_OUT > 255
               || (N_IN > 1 && IN_RING != 0)) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_shell: a parameter is outside its range, see the header");
`else
    o2c_shell_ERROR_a_parameter_is_outside_its_range u_bad ();
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
  // The most that any input takes at once.
  function automatic integer most(input [32*N_IN-1:0] lanes);
    integer k;
    begin
      most = lanes[31:0];
      for (k = 1; k < N_IN; k = k + 1) if (lanes[32*k +: 32] > most) most = lanes[32*k +: 32];
    end
  endfunction
  localparam integer LANES  = most(IN_LANES);
  localparam integer WANT_W = $clog2(LANES + 1);
  wire               in_valid, in_ready, in_last, unpack_ready;
  wire [8*LANES-1:0] in_data;
  wire   [LANES-1:0] in_keep;
  reg   [WANT_W-1:0] in_want;
  o2c_axis_unpack #(.DATA_W(S_DATA_W), .LANES(LANES)) u_unpack (
    .clk_i(clk_i), .rst_ni(core_rst_n),
    .s_tvalid_i(s_axis_tvalid_i && core_rst_n), .s_tready_o(unpack_ready),
    .s_tdata_i(s_axis_tdata_i),
    .s_tkeep_i(s_axis_tkeep_i), .s_tlast_i(s_axis_tlast_i),
    .m_valid_o(in_valid), .m_ready_i(in_ready), .m_want_i(in_want), .m_data_o(in_data), .m_keep_o(in_keep),
    .m_last_o(in_last)
  );
  // No beat is taken while the unit is in reset.
  assign s_axis_tready_o = unpack_ready && core_rst_n;

  // The lowest region that is not full takes the bytes; what is thrown away behind the last one's is its.
  wire [N_IN-1:0]     full, part, part_ready, drop, discard, spoils, shorts, longs, writes;
  wire [AW*N_IN-1:0]  addresses;
  wire [8*W*N_IN-1:0] words;
  wire [16*N_IN-1:0]  rows;
  wire [WANT_W*N_IN-1:0] wants;
  genvar i;
  generate for (i = 0; i < N_IN; i = i + 1) begin : gen_in
    localparam [N_IN-1:0] Below = ({{(N_IN-1){1'b0}}, 1'b1} << i) - 1'b1;
    localparam [N_IN-1:0] Above = ~(Below | ({{(N_IN-1){1'b0}}, 1'b1} << i));
    localparam integer    More  = (i < N_IN - 1) ? 1 : 0;
    localparam integer    Own   = IN_LANES[32*i +: 32];
    wire [$clog2(Own+1)-1 : 0] want;
    assign wants[WANT_W*i +: WANT_W] = {{(WANT_W-$clog2(Own+1)){1'b0}}, want};
    assign part[i] = (|discard) ? (More == 0) : !full[i] && (&(full | ~Below));
    // Words of a packet that has been dropped are written before those of the next one.
    wire wr_turn = !(|(writes & Above));
    // Freed as well where the packet ends in a later tensor: the next byte is the first tensor's.
    wire dropped = |(drop & Above);
    o2c_ingest #(
      .W(W), .LANES(Own), .AW(AW), .BASE(IN_BASE[32*i +: 32]), .PIXEL_STEP(IN_PIXEL_STEP[32*i +: 32]),
      .WORD_STEP(IN_WORD_STEP[32*i +: 32]), .IN_H(IN_H[32*i +: 32]), .IN_W(IN_W[32*i +: 32]),
      .IN_C(IN_C[32*i +: 32]), .XOR(IN_XOR[32*i +: 32]), .FOLD_KH(FOLD_KH[32*i +: 32]),
      .FOLD_KW(FOLD_KW[32*i +: 32]), .FOLD_STRIDE_H(FOLD_STRIDE_H[32*i +: 32]),
      .FOLD_STRIDE(FOLD_STRIDE[32*i +: 32]), .FOLD_PAD_T(FOLD_PAD_T[32*i +: 32]),
      .FOLD_PAD_L(FOLD_PAD_L[32*i +: 32]), .FOLD_OUT_H(FOLD_OUT_H[32*i +: 32]),
      .FOLD_OUT_W(FOLD_OUT_W[32*i +: 32]), .RING(IN_RING), .PAD_VALUE(PAD_VALUE[32*i +: 32]), .MORE(More)
    ) u_ingest (
      .clk_i(clk_i), .rst_ni(core_rst_n),
      .s_valid_i(in_valid && part[i]), .s_ready_o(part_ready[i]), .s_want_o(want),
      .s_data_i(in_data[8*Own-1:0]), .s_keep_i(in_keep[Own-1:0]), .s_last_i(in_last),
      .wr_valid_o(writes[i]), .wr_ready_i(wr_ready_i && wr_turn), .wr_addr_o(addresses[AW*i +: AW]),
      .wr_data_o(words[8*W*i +: 8*W]),
      .full_o(full[i]), .rows_o(rows[16*i +: 16]), .freed_i(in_freed_i), .begun_i(begun), .free_i(in_free_i || dropped),
      .spoilt_o(spoils[i]), .drop_o(drop[i]), .discard_o(discard[i]), .err_short_o(shorts[i]), .err_long_o(longs[i])
    );
  end endgenerate
  assign in_ready    = |(part & part_ready);
  assign spoilt      = |spoils;
  assign error_short = |shorts;
  assign error_long  = |longs;
  assign in_rows_o   = rows[15:0];

  integer n;
  reg [AW-1:0]  wr_addr;
  reg [8*W-1:0] wr_data;
  always @* begin
    wr_addr = addresses[AW-1:0];
    wr_data = words[8*W-1:0];
    in_want = wants[WANT_W-1:0];
    for (n = 1; n < N_IN; n = n + 1) begin
      if (writes[n]) begin
        wr_addr = addresses[AW*n +: AW];
        wr_data = words[8*W*n +: 8*W];
      end
      if (part[n]) in_want = wants[WANT_W*n +: WANT_W];
    end
  end
  assign wr_valid_o = |writes;
  assign wr_addr_o  = wr_addr;
  assign wr_data_o  = wr_data;

  // A sample may start with its first rows: as many as the region holds.
  localparam integer InRing = IN_RING;
  assign sample_ready_o = (&full) || (IN_RING != 0 && in_rows_o >= InRing[15:0]);

  // ---- Out --------------------------------------------------------------------------------------
  wire             out_valid, out_ready, out_last;
  reg        [7:0] out_data;
  reg  [N_OUT-1:0] turn_q;   // whose bytes are sent
  reg              wait_q;   // some are still to be read
  wire [N_OUT-1:0] empty, start_out, reads, bytes_valid, bytes_last;
  wire [N_OUT-1:0] sent = turn_q & bytes_valid & bytes_last & {N_OUT{out_ready}};
  wire [8*N_OUT-1:0]  bytes;
  wire [AW*N_OUT-1:0] places;
  genvar o;
  generate for (o = 0; o < N_OUT; o = o + 1) begin : gen_out
    if (o == 0) begin : gen_first
      assign start_out[o] = result;
    end else begin : gen_later
      assign start_out[o] = sent[o-1];
    end
    o2c_result #(
      .W(W), .AW(AW), .BASE(OUT_BASE[32*o +: 32]), .PIXEL_STEP(OUT_PIXEL_STEP[32*o +: 32]),
      .WORD_STEP(OUT_WORD_STEP[32*o +: 32]), .OUT_PIXELS(OUT_PIXELS[32*o +: 32]), .OUT_C(OUT_C[32*o +: 32]),
      .XOR(OUT_XOR[32*o +: 32]), .HEAD(HEAD[32*o +: 32]), .HEAD_N(HEAD_N[32*o +: 32]),
      .HEAD_FLAGS(HEAD_FLAGS[32*o +: 32]), .HEAD_EXP_W(HEAD_EXP_W), .HEAD_NUM_W(HEAD_NUM_W),
      .HEAD_ZERO(HEAD_ZERO), .HEAD_MOST(HEAD_MOST), .HEAD_INIT(HEAD_INIT)
    ) u_result (
      .clk_i(clk_i), .rst_ni(core_rst_n), .start_i(start_out[o]), .empty_o(empty[o]),
      .rd_valid_o(reads[o]), .rd_ready_i(rd_ready_i), .rd_addr_o(places[AW*o +: AW]),
      .rd_data_valid_i(rd_data_valid_i), .rd_data_i(rd_data_i),
      .m_valid_o(bytes_valid[o]), .m_ready_i(out_ready && turn_q[o]), .m_data_o(bytes[8*o +: 8]),
      .m_last_o(bytes_last[o])
    );
  end endgenerate
  always @(posedge clk_i) begin
    if (!core_rst_n) begin
      turn_q <= {{(N_OUT-1){1'b0}}, 1'b1};
      wait_q <= 1'b0;
    end else begin
      if (|sent) turn_q <= sent[N_OUT-1] ? {{(N_OUT-1){1'b0}}, 1'b1} : turn_q << 1;
      wait_q <= (N_OUT > 1) && (result || (wait_q && !start_out[N_OUT-1]));
    end
  end
  assign out_ready_o = (&empty) && !wait_q;
  assign out_valid   = |(bytes_valid & turn_q);
  assign out_last    = turn_q[N_OUT-1] && bytes_last[N_OUT-1];

  // One region is read at a time.
  integer m;
  reg [AW-1:0] rd_addr;
  always @* begin
    out_data = bytes[7:0];
    rd_addr  = places[AW-1:0];
    for (m = 1; m < N_OUT; m = m + 1) begin
      if (turn_q[m]) out_data = bytes[8*m +: 8];
      if (reads[m]) rd_addr = places[AW*m +: AW];
    end
  end
  assign rd_valid_o = |reads;
  assign rd_addr_o  = rd_addr;
  o2c_axis_pack #(.DATA_W(M_DATA_W)) u_pack (
    .clk_i(clk_i), .rst_ni(core_rst_n),
    .s_valid_i(out_valid), .s_ready_o(out_ready), .s_data_i(out_data), .s_last_i(out_last),
    .m_tvalid_o(m_axis_tvalid_o), .m_tready_i(m_axis_tready_i), .m_tdata_o(m_axis_tdata_o),
    .m_tkeep_o(m_axis_tkeep_o), .m_tlast_o(m_axis_tlast_o)
  );

  wire unused_ok = &{1'b0, unused_short, unused_long, unused_bad, unused_bus, rows};
endmodule
`default_nettype wire
