`default_nettype none
// Softmax of each N bytes of a stream, quantized again, in integers.
//
//   d[k] = max x - x[k]
//   y[k] = (ZERO + min(round(NUM(d[k]) / sum of EXP(d)), MOST)) mod 256     ties to even, exact
//
// EXP(d) and NUM(d), d = 0..255, are the table's columns: the compiler makes them as 2^f * exp(-d * scale) and
// 2^f * exp(-d * scale) / (output scale), so that y differs from the real Softmax by rounding alone.
//
// Parameters (checked at elaboration)
//   N        1..4096   bytes of a group
//   SIGNED   0, 1      bytes are uint8, int8
//   EXP_W    2..40     bits of EXP; EXP(0) is not 0
//   NUM_W    2..60     bits of NUM
//   ZERO     0..255    the byte that stands for 0
//   MOST     0..255    the most above it
//   INIT     file of the table for $readmemh: word d is {NUM(d), EXP(d)}
// Streams  s_*, m_*: transfer iff valid && ready. m_* come from registers. s_last_i, read with a group's last byte,
//          becomes m_last_o with the last byte of its result.
// Speed    in: one byte a cycle; the next group is taken while one is computed, a third one waits. Out: the first
//          byte N + 18 cycles after the group's last one, then one each 10 cycles, if they are taken at once: the
//          last one 11 * N + 8 cycles after the group's last one. Groups in a row: one each 11 * N + 7 cycles.
// Reset    rst_ni synchronous, active low: no group, nothing to send.
//
//   group taken    | N cycles |
//   sum of EXP                 | N + 7 |
//   division, one byte each 10          | 10 * N      |
//   m_valid_o                                    ^ ... ^
module o2c_softmax #(
  parameter integer N      = 10,
  parameter integer SIGNED = 0,
  parameter integer EXP_W  = 24,
  parameter integer NUM_W  = 32,
  parameter integer ZERO   = 0,
  parameter integer MOST   = 255,
  parameter         INIT   = ""
) (
  input  wire       clk_i,
  input  wire       rst_ni,
  input  wire       s_valid_i,
  output wire       s_ready_o,
  input  wire [7:0] s_data_i,
  input  wire       s_last_i,
  output wire       m_valid_o,
  input  wire       m_ready_i,
  output wire [7:0] m_data_o,
  output wire       m_last_o
);

  generate if (N < 1 || N > 4096 || SIGNED < 0 || SIGNED > 1 || EXP_W < 2 || EXP_W > 40 || NUM_W < 2
               || NUM_W > 60 || ZERO < 0 || ZERO > 255 || MOST < 0 || MOST > 255) begin : gen_bad_parameter
`ifdef VERILATOR
    $error("o2c_softmax: a parameter is outside its range, see the header");
`else
    o2c_softmax_ERROR_a_parameter_is_outside_its_range u_bad ();
`endif
  end endgenerate

  localparam integer Zero  = ZERO;
  localparam integer Most  = MOST;
  localparam integer ALast = 2 * N - 1;
  localparam integer Half  = N;
  localparam integer A_W   = $clog2(2 * N);
  localparam integer NLast = N - 1;
  localparam integer N_W   = (N > 1) ? $clog2(N) : 1;
  localparam integer SUM_W = EXP_W + ((N > 1) ? $clog2(N) : 1);
  // 256 times the sum, or the numerator, and a bit more.
  localparam integer DIV_W = ((SUM_W + 8 > NUM_W) ? SUM_W + 8 : NUM_W) + 1;
  localparam [7:0]   Turn  = (SIGNED != 0) ? 8'h80 : 8'h00;

  // ---- Two banks: one is filled while the other is computed --------------------------------------
  reg            in_bank_q, bank_q;
  reg [1:0]      full_q, last_q;
  reg [7:0]      high_q, max0_q, max1_q;
  reg [A_W-1:0]  waddr_q;
  reg [N_W-1:0]  place_q;
  wire [7:0] x    = s_data_i ^ Turn;
  wire begins     = (place_q == {N_W{1'b0}});
  wire ends       = (place_q == NLast[N_W-1:0]);
  wire take       = s_valid_i && s_ready_o;
  wire [7:0] high = (begins || x > high_q) ? x : high_q;
  wire done;                                       // the group's last byte is in the output register
  assign s_ready_o = !full_q[in_bank_q];

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      in_bank_q <= 1'b0;
      full_q <= 2'd0;
      waddr_q <= {A_W{1'b0}};
      place_q <= {N_W{1'b0}};
    end else begin
      if (done) full_q[bank_q] <= 1'b0;
      if (take) begin
        waddr_q <= (waddr_q == ALast[A_W-1:0]) ? {A_W{1'b0}} : waddr_q + 1'b1;
        place_q <= ends ? {N_W{1'b0}} : place_q + 1'b1;
        if (ends) begin
          full_q[in_bank_q] <= 1'b1;
          in_bank_q <= !in_bank_q;
        end
      end
    end
    if (take) begin
      high_q <= high;
      if (ends && !in_bank_q) max0_q <= high;
      if (ends && in_bank_q) max1_q <= high;
      if (ends) last_q[in_bank_q] <= s_last_i;
    end
  end

  // ---- Look-up: address, two cycles later the byte, then d, two cycles later the table's word -----
  reg  [A_W-1:0] raddr_q;
  reg  [7:0]     d_q;
  wire [7:0]     byte_x;
  wire [7:0]     max = bank_q ? max1_q : max0_q;
  wire [NUM_W+EXP_W-1:0] word;
  o2c_ram_sdp #(.WIDTH(8), .DEPTH(2 * N)) u_group (
    .clk_i(clk_i), .r_addr_i(raddr_q), .r_data_o(byte_x),
    .w_en_i(take), .w_addr_i(waddr_q), .w_data_i(x)
  );
  always @(posedge clk_i) d_q <= max - byte_x;
  o2c_rom #(.WIDTH(NUM_W + EXP_W), .DEPTH(256), .INIT(INIT)) u_table (
    .clk_i(clk_i), .addr_i(d_q), .data_o(word)
  );

  // ---- Sum, then divide byte after byte ----------------------------------------------------------
  localparam [1:0] Idle = 2'd0, Add = 2'd1, Load = 2'd2, Divide = 2'd3;
  reg  [1:0]       state_q;
  reg  [N_W-1:0]   k_q;                            // byte being looked up, or divided
  reg              asking_q;                       // addresses are still to be counted
  reg  [4:0]       look_q;                         // look-ups under way, one bit for each cycle
  reg  [SUM_W-1:0] sum_q;
  reg  [DIV_W-1:0] rest_q, div_q;
  reg  [8:0]       quo_q;
  reg  [3:0]       step_q;
  reg              out_valid_q, out_last_q;
  reg  [7:0]       out_q;

  wire [A_W-1:0]   first  = bank_q ? Half[A_W-1:0] : {A_W{1'b0}};
  wire             k_last = (k_q == NLast[N_W-1:0]);
  wire [A_W-1:0]   raddr_next = (raddr_q == ALast[A_W-1:0]) ? {A_W{1'b0}} : raddr_q + 1'b1;
  wire             ready  = (state_q == Divide) && step_q == 4'd0;
  wire             push   = ready && (!out_valid_q || m_ready_i);
  wire             load   = (state_q == Load) || (push && !k_last);
  assign           done   = push && k_last;

  wire             fits   = (rest_q >= div_q);
  wire [DIV_W:0]   twice  = {rest_q, 1'b0};
  wire [DIV_W:0]   whole  = {{(DIV_W+1-SUM_W){1'b0}}, sum_q};
  wire             up     = (twice > whole) || (twice == whole && quo_q[0]);
  wire [9:0]       value  = {1'b0, quo_q} + {9'd0, up};
  wire [7:0]       held   = (value > {2'd0, Most[7:0]}) ? Most[7:0] : value[7:0];

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      bank_q <= 1'b0;
      raddr_q <= {A_W{1'b0}};
      asking_q <= 1'b0;
      look_q <= 5'd0;
      out_valid_q <= 1'b0;
    end else begin
      look_q <= {look_q[3:0], asking_q};
      out_valid_q <= push || (out_valid_q && !m_ready_i);
      case (state_q)
        Idle: if (full_q[bank_q]) begin
          state_q <= Add;
          asking_q <= 1'b1;
        end
        Add: begin
          if (asking_q) begin
            asking_q <= !k_last;
            raddr_q <= k_last ? first : raddr_next;
          end
          if (look_q == 5'b10000 && !asking_q) state_q <= Load;
        end
        Load: state_q <= Divide;
        Divide: if (done) begin
          state_q <= Idle;
          bank_q <= !bank_q;
        end
        default: state_q <= Idle;
      endcase
      if (load) raddr_q <= raddr_next;
    end
    // The byte's number: counted while addresses are, and again while bytes are divided.
    if (state_q == Idle || state_q == Load) k_q <= {N_W{1'b0}};
    else if (asking_q || push) k_q <= k_last ? {N_W{1'b0}} : k_q + 1'b1;
    if (state_q == Idle) sum_q <= {SUM_W{1'b0}};
    else if (look_q[4]) sum_q <= sum_q + {{(SUM_W-EXP_W){1'b0}}, word[EXP_W-1:0]};
    // A restoring division: nine bits, the highest for all quotients from 256 on.
    if (load) begin
      rest_q <= {{(DIV_W-NUM_W){1'b0}}, word[NUM_W+EXP_W-1:EXP_W]};
      div_q <= {{(DIV_W-SUM_W){1'b0}}, sum_q} << 8;
      step_q <= 4'd9;
    end else if (step_q != 4'd0) begin
      if (fits) rest_q <= rest_q - div_q;
      div_q <= div_q >> 1;
      quo_q <= {quo_q[7:0], fits};
      step_q <= step_q - 4'd1;
    end
    if (push) begin
      out_q <= Zero[7:0] + held;
      out_last_q <= k_last && last_q[bank_q];
    end
  end
  assign m_valid_o = out_valid_q;
  assign m_data_o  = out_q;
  assign m_last_o  = out_last_q;

endmodule
`default_nettype wire
