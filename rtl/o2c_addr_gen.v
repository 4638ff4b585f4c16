`default_nettype none
// Address generation: walks a layer's windows and reads one scratchpad word a cycle.
//
// Array layers (pool_i = 0):
//   for kb: for tile of P flattened output pixels: for C (kh): for B (kw): for A (channel block): for p: read
// Pool layers (pool_i = 1):
//   for kb (channel block): for pixel: for B (kh): for A (kw): read, valid once in hold_last_i + 1 cycles
// Products (pool_i = 1, product_i = 1): A = 2, B = 1. The second read is of another tensor: a walker of its own
// starts at other_base_i, goes other_col_i to the next column, other_row_i from a row's end and other_step_i to the
// next channel block. HAS_PRODUCT = 0 leaves it out.
// The first address rises by block_step_i after every block_repeat_i + 1 rounds of kb: channel blocks of a pool, groups
// of a convolution; HAS_STEP = 0 leaves that out.
//
//   address = pixel base + offset;  row = pixel row + dh,  column = pixel column + dw
//   the word is a pad when row or column lies outside the map
// With HAS_RING = 1 the map may stand in a ring of rows: from row ring_row_i on the address is ring_words_i less.
//
// A walker yields the next output pixel's base (address, row, column), one a cycle. P entries of it rotate, one
// for each row of the array; during a tile's last step the walker's next P pixels replace them.
// After each unit (array: a tile; pool: one channel block's window) gap_i idle cycles follow: the time that
// the drain needs beyond the reads, precomputed by the planner.
//
// P     1 ..      rows of the array, power of two
// AW    1 .. 24   scratchpad address bits
// CW    4 .. 16   bits of a signed coordinate
// NW    1 .. 16   bits of a loop count
//
// start_i (one cycle, configuration stable from then on until the layer is done):
//   cycle 0         start_i
//   cycle 1 ..      walker fills the entries: P cycles (pool: 1)
//   cycle P + 2 ..  s1_* outputs, registered, one a cycle (pool: cycle 3)
module o2c_addr_gen #(
  parameter integer P  = 4,
  parameter integer AW = 12,
  parameter integer CW = 8,
  parameter integer NW = 8,
  parameter integer MW = 16,
  parameter integer HAS_STEP = 1,
  parameter integer HAS_RING = 0,
  parameter integer HAS_PRODUCT = 0
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  input  wire                 start_i,
  input  wire                 pool_i,
  input  wire                 product_i,
  input  wire [NW-1:0]        a_last_i,
  input  wire [NW-1:0]        b_last_i,
  input  wire [NW-1:0]        c_last_i,
  input  wire [NW-1:0]        kb_last_i,
  input  wire [MW-1:0]        unit_last_i,    // array: tiles - 1; pool: pixels - 1
  input  wire [15:0]          gap_i,
  input  wire [7:0]           hold_last_i,    // pool: cycles of a read - 1
  input  wire [CW-1:0]        in_h_i,
  input  wire [CW-1:0]        in_w_i,
  input  wire [CW-1:0]        out_w_last_i,
  input  wire signed [CW-1:0] walk_h0_i,
  input  wire signed [CW-1:0] walk_w0_i,
  input  wire [CW-1:0]        stride_h_i,
  input  wire [CW-1:0]        stride_w_i,
  input  wire [CW-1:0]        dil_h_i,
  input  wire [CW-1:0]        dil_w_i,
  input  wire [AW-1:0]        walk_base_i,
  input  wire [AW-1:0]        walk_col_i,
  input  wire [AW-1:0]        walk_row_i,
  input  wire [AW-1:0]        block_step_i,   // words
  input  wire [7:0]           block_repeat_i, // minus 1
  input  wire [AW-1:0]        inc_a_i,
  input  wire [AW-1:0]        inc_b_i,
  input  wire [AW-1:0]        inc_c_i,
  input  wire [CW-1:0]        ring_row_i,
  input  wire [AW-1:0]        ring_words_i,
  input  wire [AW-1:0]        other_base_i,
  input  wire [AW-1:0]        other_col_i,
  input  wire [AW-1:0]        other_row_i,
  input  wire [AW-1:0]        other_step_i,
  output reg  [AW-1:0]        s1_addr_o,
  output reg                  s1_valid_o,
  output reg                  s1_pad_o,
  output reg                  s1_word_last_o,   // array: the step's last word
  output reg                  s1_first_o,       // array: first step of a tile; pool: first tap
  output reg                  s1_last_o,        // array: last step of a tile; pool: last tap
  output reg                  s1_kb_last_o      // array: last tile of an output channel block
);
  localparam integer PW = P > 1 ? $clog2(P) : 1;
  localparam integer PLASTI = P - 1;
  localparam [PW-1:0] P_LAST = PLASTI[PW-1:0];

  localparam [1:0] IDLE = 2'd0, FILL = 2'd1, RUN = 2'd2, GAP = 2'd3;
  reg [1:0] state;

  // Walker.
  reg [AW-1:0]        walk_addr;
  reg signed [CW-1:0] walk_h, walk_w;
  reg [CW-1:0]        walk_col;
  reg [MW-1:0]        walk_tile;
  reg [PW-1:0]        walk_p;
  reg [AW-1:0]        walk_first;    // of this output channel block
  reg [7:0]           walk_repeat;
  wire [AW-1:0]       walk_again =
    HAS_STEP == 0 ? walk_base_i : walk_repeat == block_repeat_i ? walk_first + block_step_i : walk_first;

  // Entries.
  (* mem2reg *) reg [AW-1:0]        entry_addr [0:P-1];
  (* mem2reg *) reg signed [CW-1:0] entry_h [0:P-1];
  (* mem2reg *) reg signed [CW-1:0] entry_w [0:P-1];

  // Loops.
  reg [PW-1:0] p;
  reg [NW-1:0] a, b, c, kb;
  reg [MW-1:0] unit;
  reg [AW-1:0] off, off_around;   // the second is ring_words_i less
  reg [CW-1:0] dh, dw;
  reg [15:0]   gap;
  reg [7:0]    hold;

  wire p_last = pool_i ? hold == hold_last_i : p == P_LAST;
  wire a_last = a == a_last_i;
  wire b_last = b == b_last_i;
  wire c_last = c == c_last_i;
  wire unit_last = a_last & b_last & c_last;              // array: the tile's last step; pool: the window's last read
  wire unit_end = p_last & unit_last;
  wire unit_is_last = unit == unit_last_i;
  wire layer_end = unit_end & unit_is_last & (kb == kb_last_i);
  wire run = state == RUN;

  // The walker's value enters the entries while they are filled, and in a tile's last step.
  wire push = (state == FILL) | (run & unit_last & (p_last | !pool_i));
  wire walk_end = pool_i | (walk_p == P_LAST);            // of a unit's pixels
  wire signed [CW:0] row = entry_h[0] + $signed({1'b0, dh});
  wire signed [CW:0] col = entry_w[0] + $signed({1'b0, dw});
  // Once around the ring; a row above the map is a pad, whatever its address.
  wire around = HAS_RING != 0 && (row[CW-1:0] >= ring_row_i);
  wire pad = row[CW] | col[CW] | (row[CW-1:0] >= in_h_i) | (col[CW-1:0] >= in_w_i);

  // The second operand of a product.
  wire          second;
  wire [AW-1:0] second_addr;
  generate if (HAS_PRODUCT != 0) begin : gen_product
    reg [AW-1:0] other_addr, other_first, other_entry;
    wire [AW-1:0] other_again = other_first + other_step_i;
    always @(posedge clk_i) begin
      if (start_i) begin
        other_addr  <= other_base_i;
        other_first <= other_base_i;
      end else if (push) begin
        other_entry <= other_addr;
        if (walk_end & (walk_tile == unit_last_i)) begin
          other_addr  <= other_again;
          other_first <= other_again;
        end else if (walk_col == out_w_last_i) begin
          other_addr <= other_addr + other_row_i;
        end else begin
          other_addr <= other_addr + other_col_i;
        end
      end
    end
    assign second      = product_i & (a != {NW{1'b0}});
    assign second_addr = other_entry;
  end else begin : gen_no_product
    assign second      = 1'b0;
    assign second_addr = {AW{1'b0}};
    wire unused_ok = &{1'b0, product_i, other_base_i, other_col_i, other_row_i, other_step_i};
  end endgenerate

  integer i;
  always @(posedge clk_i) begin
    // Entries: array layers rotate every cycle, pool layers use entry 0 alone.
    if (state == FILL || run) begin
      if (pool_i) begin
        if (push) begin
          entry_addr[0] <= walk_addr;
          entry_h[0]    <= walk_h;
          entry_w[0]    <= walk_w;
        end
      end else begin
        for (i = 0; i < P - 1; i = i + 1) begin
          entry_addr[i] <= entry_addr[i+1];
          entry_h[i]    <= entry_h[i+1];
          entry_w[i]    <= entry_w[i+1];
        end
        entry_addr[P-1] <= push ? walk_addr : entry_addr[0];
        entry_h[P-1]    <= push ? walk_h : entry_h[0];
        entry_w[P-1]    <= push ? walk_w : entry_w[0];
      end
    end

    // Walker: next column, next row; from the start again after an output channel block's last tile.
    if (start_i) begin
      walk_addr <= walk_base_i;
      walk_h    <= walk_h0_i;
      walk_w    <= walk_w0_i;
      walk_col  <= {CW{1'b0}};
      walk_tile <= {MW{1'b0}};
      walk_p    <= {PW{1'b0}};
      walk_first  <= walk_base_i;
      walk_repeat <= 8'd0;
    end else if (push) begin
      walk_p <= walk_p + 1'b1;
      if (walk_end) begin
        walk_p    <= {PW{1'b0}};
        walk_tile <= walk_tile + 1'b1;
      end
      if (walk_end && walk_tile == unit_last_i) begin
        walk_addr <= walk_again;
        walk_h    <= walk_h0_i;
        walk_w    <= walk_w0_i;
        walk_col  <= {CW{1'b0}};
        walk_tile <= {MW{1'b0}};
        walk_first  <= walk_again;
        walk_repeat <= walk_repeat == block_repeat_i ? 8'd0 : walk_repeat + 8'd1;
      end else if (walk_col == out_w_last_i) begin
        walk_addr <= walk_addr + walk_row_i;
        walk_h    <= walk_h + $signed(stride_h_i);
        walk_w    <= walk_w0_i;
        walk_col  <= {CW{1'b0}};
      end else begin
        walk_addr <= walk_addr + walk_col_i;
        walk_w    <= walk_w + $signed(stride_w_i);
        walk_col  <= walk_col + 1'b1;
      end
    end

    // Loops.
    if (start_i) begin
      p    <= {PW{1'b0}};
      hold <= 8'd0;
      a    <= {NW{1'b0}};
      b    <= {NW{1'b0}};
      c    <= {NW{1'b0}};
      kb   <= {NW{1'b0}};
      unit <= {MW{1'b0}};
      off  <= {AW{1'b0}};
      off_around <= {AW{1'b0}} - ring_words_i;
      dh   <= {CW{1'b0}};
      dw   <= {CW{1'b0}};
    end else if (run) begin
      p    <= p_last ? {PW{1'b0}} : p + 1'b1;
      hold <= p_last ? 8'd0 : hold + 8'd1;
      if (p_last) begin
        if (!a_last) begin
          a   <= a + 1'b1;
          off <= off + inc_a_i;
          off_around <= off_around + inc_a_i;
          if (pool_i) dw <= dw + dil_w_i;
        end else begin
          a <= {NW{1'b0}};
          if (!b_last) begin
            b   <= b + 1'b1;
            off <= off + inc_b_i;
            off_around <= off_around + inc_b_i;
            if (pool_i) begin
              dw <= {CW{1'b0}};
              dh <= dh + dil_h_i;
            end else begin
              dw <= dw + dil_w_i;
            end
          end else begin
            b  <= {NW{1'b0}};
            dw <= {CW{1'b0}};
            if (!c_last) begin
              c   <= c + 1'b1;
              off <= off + inc_c_i;
              off_around <= off_around + inc_c_i;
              dh  <= dh + dil_h_i;
            end else begin
              c   <= {NW{1'b0}};
              off <= {AW{1'b0}};
              off_around <= {AW{1'b0}} - ring_words_i;
              dh  <= {CW{1'b0}};
              unit <= unit + 1'b1;
              if (unit_is_last) begin
                unit <= {MW{1'b0}};
                kb   <= kb + 1'b1;
              end
            end
          end
        end
      end
    end

    // State.
    gap <= (state == GAP) ? gap - 1'b1 : gap_i;
    case (state)
      IDLE: if (start_i) state <= FILL;
      FILL: begin
        p <= p + 1'b1;
        if (pool_i || p == P_LAST) begin
          state <= RUN;
          p     <= {PW{1'b0}};
        end
      end
      RUN: begin
        if (layer_end) state <= IDLE;
        else if (unit_end && gap_i != 16'd0) state <= GAP;
      end
      default: if (gap == 16'd1) state <= RUN;
    endcase
    if (!rst_ni) state <= IDLE;

    // Stage 1.
    s1_addr_o      <= second ? second_addr : around ? entry_addr[0] + off_around : entry_addr[0] + off;
    s1_pad_o       <= pad;
    s1_word_last_o <= run & !pool_i & p_last;
    s1_first_o     <= a == {NW{1'b0}} && b == {NW{1'b0}} && c == {NW{1'b0}};
    s1_last_o      <= unit_last;
    s1_kb_last_o   <= unit_is_last;
    s1_valid_o     <= run & rst_ni & (!pool_i | hold == 8'd0);
  end
endmodule
`default_nettype wire
