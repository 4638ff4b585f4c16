`default_nettype none
`timescale 1ns / 1ps
// Fixed part of the plain Verilog testbench: clock, reset, one register write, a stream source and a stream sink that
// compares. Prints one line, PASS or FAIL with the first difference, and ends the simulation.
//
//   vvp tb.vvp            full speed
//   vvp tb.vvp +stall     pseudo-random stalls on both streams
//   vvp tb.vvp +vcd=FILE  with a waveform
//
// SAMPLES       samples in the files
// *_BYTES       bytes of one packet;  *_BEATS  beats of one packet
// *_FILE        hex files, one beat a line, samples one after another
// LIMIT         cycles a sample before the bench gives up
// CTRL_ADDR, CTRL_DATA   the register write that lets the accelerator start by itself
// EXT_ADDR, EXT_BASE     with EXT_BASE not 0 it comes after two others: the base of external memory, its low half first
module o2c_bench #(
  parameter integer STREAM_W     = 32,
  parameter integer SAMPLES      = 1,
  parameter integer INPUT_BYTES  = 1,
  parameter integer OUTPUT_BYTES = 1,
  parameter integer INPUT_BEATS  = 1,
  parameter integer OUTPUT_BEATS = 1,
  parameter integer LIMIT        = 100000,
  parameter integer CTRL_ADDR    = 0,
  parameter integer CTRL_DATA    = 0,
  parameter integer EXT_ADDR     = 0,
  parameter [63:0]  EXT_BASE     = 64'd0,
  parameter         INPUT_FILE   = "",
  parameter         OUTPUT_FILE  = ""
) (
  output reg                   clk_o,
  output reg                   rst_no,
  output wire [7:0]            m_axil_awaddr,
  output wire [2:0]            m_axil_awprot,
  output reg                   m_axil_awvalid,
  input  wire                  m_axil_awready,
  output wire [31:0]           m_axil_wdata,
  output wire [3:0]            m_axil_wstrb,
  output reg                   m_axil_wvalid,
  input  wire                  m_axil_wready,
  input  wire [1:0]            m_axil_bresp,
  input  wire                  m_axil_bvalid,
  output wire                  m_axil_bready,
  output wire [7:0]            m_axil_araddr,
  output wire [2:0]            m_axil_arprot,
  output wire                  m_axil_arvalid,
  input  wire                  m_axil_arready,
  input  wire [31:0]           m_axil_rdata,
  input  wire [1:0]            m_axil_rresp,
  input  wire                  m_axil_rvalid,
  output wire                  m_axil_rready,
  output reg  [STREAM_W-1:0]   m_axis_tdata,
  output reg  [STREAM_W/8-1:0] m_axis_tkeep,
  output reg                   m_axis_tvalid,
  input  wire                  m_axis_tready,
  output reg                   m_axis_tlast,
  input  wire [STREAM_W-1:0]   s_axis_tdata,
  input  wire [STREAM_W/8-1:0] s_axis_tkeep,
  input  wire                  s_axis_tvalid,
  output reg                   s_axis_tready,
  input  wire                  s_axis_tlast,
  input  wire                  irq_i
);
  localparam integer BYTES     = STREAM_W / 8;
  localparam integer IN_TAIL   = INPUT_BYTES  - (INPUT_BEATS  - 1) * BYTES;
  localparam integer OUT_TAIL  = OUTPUT_BYTES - (OUTPUT_BEATS - 1) * BYTES;

  reg [STREAM_W-1:0] in_mem  [0:SAMPLES*INPUT_BEATS-1];
  reg [STREAM_W-1:0] out_mem [0:SAMPLES*OUTPUT_BEATS-1];

  integer sent, received, beat, i, errors, waited, cycle;
  reg [1:0] write_left;   // register writes after this one
  reg     stall;
  reg [31:0] lfsr;
  reg [8*256-1:0] vcd;
  reg [BYTES-1:0] keep;

  localparam integer EXT_HI = EXT_ADDR + 4;
  assign m_axil_awaddr  = write_left == 2'd2 ? EXT_ADDR[7:0] : write_left == 2'd1 ? EXT_HI[7:0] : CTRL_ADDR[7:0];
  assign m_axil_awprot  = 3'd0;
  assign m_axil_wdata   = write_left == 2'd2 ? EXT_BASE[31:0] : write_left == 2'd1 ? EXT_BASE[63:32] : CTRL_DATA;
  assign m_axil_wstrb   = 4'hf;
  assign m_axil_bready  = 1'b1;
  assign m_axil_araddr  = 8'd0;
  assign m_axil_arprot  = 3'd0;
  assign m_axil_arvalid = 1'b0;
  assign m_axil_rready  = 1'b1;

  initial begin
    clk_o          = 1'b0;
    rst_no         = 1'b0;
    m_axil_awvalid = 1'b0;
    m_axil_wvalid  = 1'b0;
    m_axis_tdata   = {STREAM_W{1'b0}};
    m_axis_tkeep   = {BYTES{1'b0}};
    m_axis_tvalid  = 1'b0;
    m_axis_tlast   = 1'b0;
    s_axis_tready  = 1'b0;
    write_left = EXT_BASE != 64'd0 ? 2'd2 : 2'd0;
    sent     = 0;
    received = 0;
    errors   = 0;
    waited   = 0;
    cycle    = 0;
    lfsr     = 32'h1234_5678;
    stall    = $test$plusargs("stall");
    if ($value$plusargs("vcd=%s", vcd)) begin
      $dumpfile(vcd);
      $dumpvars;
    end
    $readmemh(INPUT_FILE, in_mem);
    $readmemh(OUTPUT_FILE, out_mem);
    repeat (8) @(posedge clk_o);
    rst_no <= 1'b1;
    m_axil_awvalid <= 1'b1;
    m_axil_wvalid  <= 1'b1;
  end

  always #5 clk_o = ~clk_o;

  always @(posedge clk_o) begin
    cycle <= cycle + 1;
    lfsr  <= {lfsr[30:0], lfsr[31] ^ lfsr[21] ^ lfsr[1] ^ lfsr[0]};

    // Register write.
    if (rst_no && m_axil_awready) m_axil_awvalid <= 1'b0;
    if (rst_no && m_axil_wready)  m_axil_wvalid  <= 1'b0;
    if (rst_no && m_axil_bvalid && m_axil_bresp != 2'b00) begin
      $display("FAIL: the register write gives response %0d", m_axil_bresp);
      $finish;
    end

    if (rst_no && m_axil_bvalid && write_left != 2'd0) begin
      write_left     <= write_left - 2'd1;
      m_axil_awvalid <= 1'b1;
      m_axil_wvalid  <= 1'b1;
    end

    // Source.
    if (rst_no && (!m_axis_tvalid || m_axis_tready)) begin
      if (sent < SAMPLES * INPUT_BEATS && !(stall && lfsr[3])) begin
        m_axis_tvalid <= 1'b1;
        m_axis_tdata  <= in_mem[sent];
        m_axis_tlast  <= sent % INPUT_BEATS == INPUT_BEATS - 1;
        for (i = 0; i < BYTES; i = i + 1)
          m_axis_tkeep[i] <= sent % INPUT_BEATS != INPUT_BEATS - 1 || i < IN_TAIL;
        sent = sent + 1;
      end else begin
        m_axis_tvalid <= 1'b0;
      end
    end

    // Sink.
    s_axis_tready <= rst_no && !(stall && lfsr[7]);
    waited <= waited + 1;
    if (rst_no && s_axis_tvalid && s_axis_tready) begin
      waited <= 0;
      beat = received % OUTPUT_BEATS;
      for (i = 0; i < BYTES; i = i + 1) keep[i] = beat != OUTPUT_BEATS - 1 || i < OUT_TAIL;
      if (s_axis_tlast !== (beat == OUTPUT_BEATS - 1) || s_axis_tkeep !== keep) begin
        $display("FAIL: sample %0d, beat %0d: TLAST %b, TKEEP %b", received / OUTPUT_BEATS, beat, s_axis_tlast, s_axis_tkeep);
        $finish;
      end
      for (i = 0; i < BYTES; i = i + 1)
        if (keep[i] && s_axis_tdata[8*i +: 8] !== out_mem[received][8*i +: 8]) begin
          if (errors == 0)
            $display("FAIL: sample %0d, byte %0d: expected %h, got %h", received / OUTPUT_BEATS, beat * BYTES + i,
                     out_mem[received][8*i +: 8], s_axis_tdata[8*i +: 8]);
          errors = errors + 1;
        end
      received = received + 1;
      if (received == SAMPLES * OUTPUT_BEATS) begin
        if (errors == 0) $display("PASS: %0d samples, %0d bytes, %0d cycles", SAMPLES, SAMPLES * OUTPUT_BYTES, cycle);
        else $display("FAIL: %0d bytes differ", errors);
        $finish;
      end
    end
    if (waited > LIMIT) begin
      $display("FAIL: no output for %0d cycles; %0d of %0d input beats sent, %0d output beats received", waited, sent,
               SAMPLES * INPUT_BEATS, received);
      $finish;
    end
  end

  wire unused_ok = &{1'b0, m_axil_arready, m_axil_rdata, m_axil_rresp, m_axil_rvalid, irq_i};
endmodule

// External memory: a hex file, one beat a line, read by bursts. The first beat comes LATENCY cycles after its request, then one
// a cycle. Beats after it are written and read; a burst's response comes LATENCY cycles after its last beat. With +stall all
// channels wait pseudo-randomly.
//
// BASE     address of the first beat;  BEATS  beats in FILE;  SPILL  beats after them
module o2c_bench_memory #(
  parameter integer BUS_W   = 64,
  parameter integer BEATS   = 1,
  parameter integer SPILL   = 0,
  parameter integer LATENCY = 32,
  parameter [63:0]  BASE    = 64'd0,
  parameter         FILE    = ""
) (
  input  wire             clk_i,
  input  wire             rst_ni,
  input  wire [63:0]      araddr_i,
  input  wire [7:0]       arlen_i,
  input  wire [2:0]       arsize_i,
  input  wire [1:0]       arburst_i,
  input  wire             arvalid_i,
  output reg              arready_o,
  output reg  [BUS_W-1:0] rdata_o,
  output wire [1:0]       rresp_o,
  output reg              rlast_o,
  output reg              rvalid_o,
  input  wire             rready_i,
  input  wire [63:0]      awaddr_i,
  input  wire [7:0]       awlen_i,
  input  wire [2:0]       awsize_i,
  input  wire [1:0]       awburst_i,
  input  wire             awvalid_i,
  output reg              awready_o,
  input  wire [BUS_W-1:0] wdata_i,
  input  wire [BUS_W/8-1:0] wstrb_i,
  input  wire             wlast_i,
  input  wire             wvalid_i,
  output reg              wready_o,
  output wire [1:0]       bresp_o,
  output reg              bvalid_o,
  input  wire             bready_i
);
  localparam integer BYTES = BUS_W / 8;
  reg [BUS_W-1:0] mem  [0:BEATS+SPILL-1];
  reg [63:0]      at   [0:31];
  integer         left [0:31];
  integer         due  [0:31];
  integer         head, tail, now;
  reg             stall;
  reg [31:0]      lfsr;
  wire [63:0]     index = (araddr_i - BASE) / BYTES;
  // Writes: bursts whose addresses are here, the beat of the first one that is next, responses that are due.
  reg [63:0]      w_at   [0:31];
  integer         w_left [0:31];
  integer         b_due  [0:31];
  integer         w_head, w_tail, b_head, b_tail, n;
  wire [63:0]     w_index = (awaddr_i - BASE) / BYTES;
  assign rresp_o = 2'b00;
  assign bresp_o = 2'b00;

  initial begin
    for (n = BEATS; n < BEATS + SPILL; n = n + 1) mem[n] = {BYTES{8'hc3}};
    $readmemh(FILE, mem, 0, BEATS - 1);
    w_head    = 0;
    w_tail    = 0;
    b_head    = 0;
    b_tail    = 0;
    awready_o = 1'b0;
    wready_o  = 1'b0;
    bvalid_o  = 1'b0;
    stall     = $test$plusargs("stall");
    lfsr      = 32'h8765_4321;
    head      = 0;
    tail      = 0;
    now       = 0;
    arready_o = 1'b0;
    rvalid_o  = 1'b0;
    rlast_o   = 1'b0;
  end

  always @(posedge clk_i) if (rst_ni) begin
    now  = now + 1;
    lfsr <= {lfsr[30:0], lfsr[31] ^ lfsr[21] ^ lfsr[1] ^ lfsr[0]};
    if (arvalid_i && arready_o) begin
      if (araddr_i < BASE || index + arlen_i >= BEATS + SPILL || araddr_i % BYTES != 0 || (1 << arsize_i) != BYTES
          || arburst_i != 2'b01 || araddr_i[63:12] != ((araddr_i + (arlen_i + 1) * BYTES - 1) >> 12)) begin
        $display("FAIL: read of %0d beats from %h in external memory", arlen_i + 1, araddr_i);
        $finish;
      end
      at[tail % 32]   = index;
      left[tail % 32] = arlen_i + 1;
      due[tail % 32]  = now + LATENCY - 1;
      tail = tail + 1;
    end
    arready_o <= tail - head < 31 && !(stall && lfsr[5]);
    if (!rvalid_o || rready_i) begin
      rvalid_o <= 1'b0;
      if (head != tail && now >= due[head % 32] && !(stall && lfsr[9])) begin
        rvalid_o <= 1'b1;
        rdata_o  <= mem[at[head % 32]];
        rlast_o  <= left[head % 32] == 1;
        at[head % 32]   = at[head % 32] + 1;
        left[head % 32] = left[head % 32] - 1;
        if (left[head % 32] == 0) head = head + 1;
      end
    end
    // Addresses before data: a beat is accepted only when its burst's address is.
    if (wvalid_i && wready_o) begin
      if (wstrb_i != {BYTES{1'b1}} || wlast_i != (w_left[w_head % 32] == 1)) begin
        $display("FAIL: WLAST %b, WSTRB %b with %0d beats left in external memory", wlast_i, wstrb_i, w_left[w_head % 32]);
        $finish;
      end
      mem[w_at[w_head % 32]] = wdata_i;
      w_at[w_head % 32]   = w_at[w_head % 32] + 1;
      w_left[w_head % 32] = w_left[w_head % 32] - 1;
      if (w_left[w_head % 32] == 0) begin
        w_head = w_head + 1;
        b_due[b_tail % 32] = now + LATENCY - 1;
        b_tail = b_tail + 1;
      end
    end
    if (awvalid_i && awready_o) begin
      if (awaddr_i < BASE || w_index < BEATS || w_index + awlen_i >= BEATS + SPILL || awaddr_i % BYTES != 0
          || (1 << awsize_i) != BYTES || awburst_i != 2'b01
          || awaddr_i[63:12] != ((awaddr_i + (awlen_i + 1) * BYTES - 1) >> 12)) begin
        $display("FAIL: write of %0d beats to %h in external memory", awlen_i + 1, awaddr_i);
        $finish;
      end
      w_at[w_tail % 32]   = w_index;
      w_left[w_tail % 32] = awlen_i + 1;
      w_tail = w_tail + 1;
    end
    awready_o <= w_tail - w_head < 31 && !(stall && lfsr[13]);
    wready_o  <= w_head != w_tail && !(stall && lfsr[17]);
    if (!bvalid_o || bready_i) begin
      bvalid_o <= 1'b0;
      if (b_head != b_tail && now >= b_due[b_head % 32] && !(stall && lfsr[21])) begin
        bvalid_o <= 1'b1;
        b_head = b_head + 1;
      end
    end
  end
endmodule

// Ends the simulation when a file can't be opened: $readmemh alone goes on with undefined memory.
module o2c_file_exists #(
  parameter FILE = ""
) ();
  integer handle;
  initial begin
    handle = $fopen(FILE, "r");
    if (handle == 0) begin
      $display("FAIL: %0s can't be opened; run from the folder's root", FILE);
      $finish;
    end else begin
      $fclose(handle);
    end
  end
endmodule
`default_nettype wire
