`default_nettype none
// Sends a result region of the scratchpad as a byte stream in row, column, channel order.
//
//   byte (i, c) of the stream  =  byte c mod W of word BASE + i*PIXEL_STEP + (c/W)*WORD_STEP, ^ XOR
//   i = 0 .. OUT_PIXELS-1, c = 0 .. OUT_C-1, NW = ceil(OUT_C / W)
//
// Parameters (checked at elaboration)
//   W            bytes of a word, a power of two, 1..64
//   AW           address bits, 1..30; all words lie below 2^AW
//   BASE         first word
//   PIXEL_STEP, WORD_STEP   1..2^AW
//   OUT_PIXELS   1..2^24     OUT_C  1..65535
//   XOR          0..255: 128 where the stream carries uint8, else 0
// Region   start_i (a pulse, only while empty_o is high): the region holds a result. empty_o falls,
//          and rises again when the last word has come back: then the region may be overwritten,
//          though bytes are still on their way.
// Read     rd_*: transfer iff valid && ready, valid and address hold until ready. The word comes
//          with rd_data_valid_i one or more cycles after the transfer. One read at a time;
//          rd_data_valid_i without a read is ignored.
// Stream   m_*: transfer iff valid && ready, all outputs from registers; m_last_o on the last byte
//          of the sample.
// Speed    one byte a cycle where a word's bytes last as long as a read; one word is read ahead.
// Reset    rst_ni synchronous, active low: empty, nothing pending, no valid.
//
//   clk_i            _/~\_/~\_/~\_/~\_/~\_/~\_/~\_      W = 2, OUT_C = 2, one pixel
//   start_i          ~~~~\_______________________
//   rd_valid_o       ____/~~~\___________________
//   rd_data_valid_i  ________/~~~\_______________
//   m_data_o                         < a >< b >
//   empty_o          ~~~~\_______/~~~~~~~~~~~~~~~
module o2c_egress #(
  parameter integer W          = 16,
  parameter integer AW         = 12,
  parameter integer BASE       = 0,
  parameter integer PIXEL_STEP = 1,
  parameter integer WORD_STEP  = 1,
  parameter integer OUT_PIXELS = 1,
  parameter integer OUT_C      = 10,
  parameter integer XOR        = 0
) (
  input  wire           clk_i,
  input  wire           rst_ni,
  // Region
  input  wire           start_i,
  output wire           empty_o,
  // Scratchpad read port
  output wire           rd_valid_o,
  input  wire           rd_ready_i,
  output wire  [AW-1:0] rd_addr_o,
  input  wire           rd_data_valid_i,
  input  wire [8*W-1:0] rd_data_i,
  // Byte stream
  output wire           m_valid_o,
  input  wire           m_ready_i,
  output wire     [7:0] m_data_o,
  output wire           m_last_o
);

  localparam integer NW = (OUT_C + W - 1) / W;

  generate if (W < 1 || W > 64 || (W & (W - 1)) != 0 || AW < 1 || AW > 30 || OUT_PIXELS < 1
               || OUT_PIXELS > 16777216 || OUT_C < 1 || OUT_C > 65535
               || XOR < 0 || XOR > 255 || PIXEL_STEP < 1 || PIXEL_STEP > (1 << AW)
               || WORD_STEP < 1 || WORD_STEP > (1 << AW) || BASE < 0
               || BASE + (OUT_PIXELS - 1) * PIXEL_STEP
                  + (NW - 1) * WORD_STEP >= (1 << AW)) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_egress: a parameter is outside its range, see the header");
`else
    o2c_egress_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  localparam integer Base   = BASE;
  localparam integer Xor    = XOR;
  localparam integer PixelStep = PIXEL_STEP;
  localparam integer WordStep  = WORD_STEP;
  localparam integer PxLast = OUT_PIXELS - 1;
  localparam integer KLast  = NW - 1;
  localparam integer Tail   = OUT_C - (NW - 1) * W;  // bytes in the last word of a pixel
  localparam integer PX_W   = (OUT_PIXELS > 1) ? $clog2(OUT_PIXELS) : 1;
  localparam integer K_W    = (NW > 1) ? $clog2(NW) : 1;
  localparam integer L_W    = (W > 1) ? $clog2(W) : 1;
  localparam integer LaneLast = W - 1;
  localparam integer LaneTail = Tail - 1;

  // ---- Reading: one word ahead ------------------------------------------------------------------
  reg           todo_q;      // words are left to be asked for
  reg           asked_q;     // a read is out
  reg [AW-1:0]  pixel_q, addr_q;  // where the pixel begins, where its next word is
  reg [PX_W-1:0] px_q;
  reg [K_W-1:0] k_q;
  // The word read ahead. tail: the last of its pixel; last: the last of the sample.
  reg           next_valid_q, next_tail_q, next_last_q;
  reg [8*W-1:0] next_q;

  wire k_end  = (k_q == KLast[K_W-1:0]);
  wire px_end = (px_q == PxLast[PX_W-1:0]);
  wire ask    = rd_valid_o && rd_ready_i;
  wire got    = asked_q && rd_data_valid_i;
  wire [AW-1:0] pixel_next = pixel_q + PixelStep[AW-1:0];
  wire move;                 // the word read ahead becomes the one being sent

  assign rd_valid_o = todo_q && !asked_q && !next_valid_q;
  assign rd_addr_o  = addr_q;
  assign empty_o    = !todo_q && !asked_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      todo_q <= 1'b0;
      asked_q <= 1'b0;
      next_valid_q <= 1'b0;
      pixel_q <= Base[AW-1:0];
      addr_q <= Base[AW-1:0];
      px_q <= {PX_W{1'b0}};
      k_q <= {K_W{1'b0}};
    end else begin
      if (start_i) begin
        todo_q <= 1'b1;
        pixel_q <= Base[AW-1:0];
        addr_q <= Base[AW-1:0];
        px_q <= {PX_W{1'b0}};
        k_q <= {K_W{1'b0}};
      end else if (ask) begin
        todo_q <= !(k_end && px_end);
        addr_q <= k_end ? pixel_next : addr_q + WordStep[AW-1:0];
        k_q <= k_end ? {K_W{1'b0}} : k_q + 1'b1;
        if (k_end) begin
          pixel_q <= pixel_next;
          px_q <= px_q + 1'b1;
        end
      end
      asked_q <= ask || (asked_q && !rd_data_valid_i);
      next_valid_q <= got || (next_valid_q && !move);
    end
    if (ask) begin
      next_tail_q <= k_end;
      next_last_q <= k_end && px_end;
    end
    if (got) next_q <= rd_data_i;
  end

  // ---- Sending: a shift register ----------------------------------------------------------------
  reg           valid_q, tail_q, last_q;
  reg [8*W-1:0] word_q;
  reg [L_W-1:0] lane_q;
  wire lane_end = (lane_q == (tail_q ? LaneTail[L_W-1:0] : LaneLast[L_W-1:0]));
  wire sent     = valid_q && m_ready_i;
  assign move   = next_valid_q && (!valid_q || (sent && lane_end));

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      lane_q <= {L_W{1'b0}};
    end else begin
      valid_q <= move || (valid_q && !(sent && lane_end));
      if (sent) lane_q <= lane_end ? {L_W{1'b0}} : lane_q + 1'b1;
    end
    if (move) begin
      word_q <= next_q;
      tail_q <= next_tail_q;
      last_q <= next_last_q;
    end else if (sent) begin
      word_q <= word_q >> 8;
    end
  end
  assign m_valid_o = valid_q;
  assign m_data_o  = word_q[7:0] ^ Xor[7:0];
  assign m_last_o  = last_q && lane_end;

endmodule
`default_nettype wire
