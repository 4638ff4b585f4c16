`default_nettype none
// Runs the descriptors of one sample after another, and fetches the next one while a layer runs.
//
// A descriptor is NWORDS words of 32 bits; the ROM holds NLAYERS of them in execution order. They are shifted into
// a shadow register, one word a cycle, and become the configuration in the cycle in which the layer is issued.
// With CHANGES = 1 the ROM holds before each descriptor a word with a bit for each of its words, and only those
// words whose bit is set; the others are as in the descriptor before. A sample's first descriptor has all.
//
//   issue: the engine is idle or the previous layer is done, the shadow is full, and
//          - for the first layer: run_i, and a sample stands in the input region (sample_ready_i)
//          - for a layer that writes the output region: the region is free (out_ready_i)
//          - with EXT: as many load tokens are there as the layer waits for; it uses them up. load_i brings one, which
//            counts from the next cycle on; at most 2^16 - 1 may be unused at a time.
//          - with IN_RING: as many rows of the sample stand in the input region as the layer needs (in_rows_i).
//            The rows that no further layer needs are free after it (in_freed_o); none once the whole region
//            is
//
//   clk          _/-\_/-\_/-\_/-\_/-\_
//   done_i       __/---\______________   last write of the previous layer
//   issue_o      ______/---\__________   one cycle later at the earliest
//   start_o      __________/---\______   desc_o is stable from here until the next issue
//
// NLAYERS 1 ..   layers of a sample
// NWORDS  2 ..   words of a descriptor; with EXT 13 ..
// NROM    1 ..   words of the ROM;  CHANGES  0, 1: see above, then NWORDS is at most 32
// IN_RING 0, 1   the input region holds a part of the sample's rows at a time; then NWORDS is at least 30
// EXT     0, 1   weights and parameters come from external memory
// Reset state: idle, fetching descriptor 0.
module o2c_sequencer #(
  parameter integer NLAYERS = 1,
  parameter integer NWORDS  = 22,
  parameter integer CHANGES = 0,
  parameter integer NROM    = NLAYERS * (NWORDS + CHANGES),
  parameter integer EXT     = 0,
  parameter integer IN_RING = 0,
  parameter         DESC_INIT = ""
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  input  wire                 run_i,
  input  wire                 sample_ready_i,
  input  wire                 out_ready_i,
  input  wire                 done_i,
  input  wire                 load_i,
  input  wire [15:0]          in_rows_i,
  output wire [15:0]          in_freed_o,
  output wire                 issue_o,
  output reg  [15:0]          layer_o,       // the layer being issued (valid with issue_o)
  output reg                  start_o,
  output reg  [32*NWORDS-1:0] desc_o,
  output wire                 busy_o,
  output wire                 sample_start_o,
  output wire                 in_free_o,     // the input region's last reader is done
  output wire                 out_done_o     // the output region is complete
);
  localparam integer DAW   = NROM > 1 ? $clog2(NROM) : 1;
  localparam integer LASTI = NROM - 1;
  localparam integer WLASTI = NWORDS - 1;
  localparam integer LLASTI = NLAYERS - 1;

  // Flags of words 0 and 1, and the byte of load tokens, see o2c_engine.
  localparam integer F_RELEASE = 4, F_OUTPUT = 5, F_COMPLETE = 32 + 19, F_LOADS = 32*12 + 24;
  localparam integer F_ROWS = 32*29, F_FREED = 32*29 + 16;

  // Fetch: NWORDS cycles in which a word is addressed, or taken from the shadow; two cycles later they arrive.
  reg [DAW-1:0] addr;
  reg [7:0]     left;
  reg [1:0]     arriving;
  reg [7:0]     missing;
  reg [32*NWORDS-1:0] shadow;
  wire [31:0]   word;
  wire          full = missing == 8'd0;
  wire          fetch;               // begin with the next descriptor
  wire          addressed;           // a word of the ROM, else of the shadow
  wire [31:0]   arrived_word;
  wire [DAW-1:0] addr_next = addr == LASTI[DAW-1:0] ? {DAW{1'b0}} : addr + 1'b1;
  o2c_rom #(.WIDTH (32), .DEPTH (NROM), .INIT (DESC_INIT)) u_desc (
    .clk_i (clk_i), .addr_i (addr), .data_o (word)
  );
  always @(posedge clk_i) begin
    arriving <= {arriving[0], left != 8'd0};
    if (left != 8'd0) begin
      left <= left - 8'd1;
      if (addressed) addr <= addr_next;
    end
    if (arriving[1]) begin
      shadow  <= {arrived_word, shadow[32*NWORDS-1:32]};
      missing <= missing - 8'd1;
    end
    if (fetch) begin
      left    <= NWORDS[7:0];
      missing <= NWORDS[7:0];
      if (CHANGES != 0) addr <= addr_next;
    end
    if (!rst_ni) begin
      addr     <= {DAW{1'b0}};
      left     <= 8'd0;
      missing  <= NWORDS[7:0];
      arriving <= 2'b00;
    end
  end
  // After a reset the first word has to come first.
  reg [2:0] begun;
  always @(posedge clk_i) begin
    begun <= {begun[1:0], 1'b1};
    if (!rst_ni) begun <= 3'd0;
  end
  assign fetch = issue_o | (begun == 3'b011);
  generate if (CHANGES != 0) begin : gen_changes
    // The word before a descriptor is addressed while the descriptor before arrives.
    reg [NWORDS-1:0] changed;
    reg [1:0]        changing;
    always @(posedge clk_i) begin
      changing <= {changing[0], changed[0]};
      changed  <= fetch ? word[NWORDS-1:0] : changed >> 1;
    end
    assign addressed    = changed[0];
    assign arrived_word = changing[1] ? word : shadow[31:0];
  end else begin : gen_all
    assign addressed    = 1'b1;
    assign arrived_word = word;
  end endgenerate

  // Rows of the input.
  wire arrived;
  generate if (IN_RING != 0) begin : gen_rows
    reg [15:0] freed;
    always @(posedge clk_i) begin
      if (in_free_o) freed <= 16'd0;
      else if (done_i) freed <= desc_o[F_FREED +: 16];
      if (!rst_ni) freed <= 16'd0;
    end
    assign in_freed_o = freed;
    assign arrived    = in_rows_i >= shadow[F_ROWS +: 16];
  end else begin : gen_no_rows
    assign in_freed_o = 16'd0;
    assign arrived    = 1'b1;
    wire unused_ok = &{1'b0, in_rows_i, F_ROWS[0], F_FREED[0]};
  end endgenerate

  // Load tokens.
  wire loaded;
  generate if (EXT != 0) begin : gen_loads
    reg  [15:0] loads;
    wire [15:0] need = {8'd0, shadow[F_LOADS +: 8]};
    always @(posedge clk_i) begin
      loads <= loads + {15'd0, load_i} - (issue_o ? need : 16'd0);
      if (!rst_ni) loads <= 16'd0;
    end
    assign loaded = loads >= need;
  end else begin : gen_no_loads
    assign loaded = 1'b1;
    wire unused_ok = &{1'b0, load_i, F_LOADS[0]};
  end endgenerate

  // Layers.
  reg running;                      // a layer is under way
  reg first;                        // the next layer is the sample's first
  reg release_q, output_q, last_q;  // of the layer under way
  wire may_start = full & (!first | (run_i & sample_ready_i)) & (!shadow[F_OUTPUT] | out_ready_i) & loaded & arrived;
  assign issue_o        = rst_ni & !running & may_start;
  assign sample_start_o = issue_o & first;
  assign busy_o         = running | !first | issue_o;
  assign in_free_o      = done_i & release_q;
  assign out_done_o     = done_i & output_q;

  always @(posedge clk_i) begin
    start_o <= issue_o;
    if (issue_o) begin
      desc_o    <= shadow;
      running   <= 1'b1;
      first     <= 1'b0;
      release_q <= shadow[F_RELEASE];
      output_q  <= shadow[F_COMPLETE];
      last_q    <= layer_o == LLASTI[15:0];
    end
    if (done_i) begin
      running <= 1'b0;
      first   <= last_q;
      layer_o <= last_q ? 16'd0 : layer_o + 16'd1;
    end
    if (!rst_ni) begin
      start_o <= 1'b0;
      running <= 1'b0;
      first   <= 1'b1;
      layer_o <= 16'd0;
    end
  end

  wire unused_ok = &{1'b0, WLASTI[0]};
endmodule
`default_nettype wire
