`default_nettype none
// AXI4-Lite registers of the accelerator: the decode of the map in docs/registers.md.
// Written by a template from the register table in compiler/hw/regmap.rs; change it there.
//
//   read:   the word at the address, SLVERR and 0 where there is none
//   write:  the strobed bits of the writable fields, SLVERR where the address has none
//
// Ports of a field:  NAME_i      what a read-only field shows
//                    NAME_o      the value of a read-write or event field, or a command's pulse
//                    NAME_set_i  a pulse for each event
// Handshake   AXI4-Lite, see o2c_axil. bad_access_o pulses with each access that meets SLVERR.
// Latency     2 cycles from request to response, 1 from the access to a field
// Reset       rst_ni synchronous, active low: no response pending, fields at their reset values
//
//   clk_i             _/~\_/~\_/~\_/~\_/~\_
//   awvalid, wvalid   ~~~~\________________
//   bvalid            ________/~~~~~~~\____
//   a field's NAME_o  --------< new value
module o2c_axil_regs (
  input  wire        clk_i,
  input  wire        rst_ni,
  // AXI4-Lite
  input  wire        s_awvalid_i,
  output wire        s_awready_o,
  input  wire [7:0]  s_awaddr_i,
  input  wire        s_wvalid_i,
  output wire        s_wready_o,
  input  wire [31:0] s_wdata_i,
  input  wire [3:0]  s_wstrb_i,
  output wire        s_bvalid_o,
  input  wire        s_bready_i,
  output wire [1:0]  s_bresp_o,
  input  wire        s_arvalid_i,
  output wire        s_arready_o,
  input  wire [7:0]  s_araddr_i,
  output wire        s_rvalid_o,
  input  wire        s_rready_i,
  output wire [31:0] s_rdata_o,
  output wire [1:0]  s_rresp_o,
  // Fields
  input  wire [3:0] caps_log2_p_i,
  input  wire [3:0] caps_log2_c_i,
  input  wire [3:0] caps_log2_k_i,
  output wire ctrl_start_o,
  output wire ctrl_auto_o,
  output wire ctrl_soft_reset_o,
  input  wire status_busy_i,
  input  wire status_input_full_i,
  input  wire status_output_full_i,
  input  wire status_start_pending_i,
  input  wire status_resetting_i,
  output wire irq_enable_done_o,
  output wire irq_enable_error_o,
  input  wire irq_status_done_set_i,
  output wire irq_status_done_o,
  input  wire irq_status_error_set_i,
  output wire irq_status_error_o,
  input  wire error_short_packet_set_i,
  output wire error_short_packet_o,
  input  wire error_long_packet_set_i,
  output wire error_long_packet_o,
  input  wire error_bad_access_set_i,
  output wire error_bad_access_o,
  input  wire error_bus_set_i,
  output wire error_bus_o,
  input  wire [31:0] cycles_i,
  input  wire [15:0] layers_i,
  input  wire [31:0] samples_i,
  input  wire [31:0] total_cycles_lo_i,
  input  wire [31:0] total_cycles_hi_i,
  output wire [19:0] ext_base_lo_o,
  output wire [31:0] ext_base_hi_o,
  output wire        bad_access_o
);

  wire        wr_en, rd_en, wr_bad, rd_bad;
  wire [5:0]  wr_word, rd_word;
  wire [31:0] wr_data, wr_mask, rd_data;

  o2c_axil #(.ADDR_W(8)) u_axil (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_awvalid_i(s_awvalid_i), .s_awready_o(s_awready_o), .s_awaddr_i(s_awaddr_i),
    .s_wvalid_i(s_wvalid_i), .s_wready_o(s_wready_o), .s_wdata_i(s_wdata_i), .s_wstrb_i(s_wstrb_i),
    .s_bvalid_o(s_bvalid_o), .s_bready_i(s_bready_i), .s_bresp_o(s_bresp_o),
    .s_arvalid_i(s_arvalid_i), .s_arready_o(s_arready_o), .s_araddr_i(s_araddr_i),
    .s_rvalid_o(s_rvalid_o), .s_rready_i(s_rready_i), .s_rdata_o(s_rdata_o), .s_rresp_o(s_rresp_o),
    .wr_en_o(wr_en), .wr_word_o(wr_word), .wr_data_o(wr_data), .wr_mask_o(wr_mask),
    .wr_bad_i(wr_bad),
    .rd_en_o(rd_en), .rd_word_o(rd_word), .rd_data_i(rd_data), .rd_bad_i(rd_bad)
  );
  assign bad_access_o = (wr_en && wr_bad) || (rd_en && rd_bad);

  // Reads
  wire        rd_id = (rd_word == 6'h00);
  wire [31:0] value_id = {32'h6F326331};
  wire        rd_version = (rd_word == 6'h01);
  wire [31:0] value_version = {16'h1, 16'h1};
  wire        rd_caps = (rd_word == 6'h02);
  wire [31:0] value_caps = {20'd0, caps_log2_k_i, caps_log2_c_i, caps_log2_p_i};
  wire        rd_ctrl = (rd_word == 6'h03);
  wire [31:0] value_ctrl = {29'd0, 1'd0, ctrl_auto_o, 1'd0};
  wire        rd_status = (rd_word == 6'h04);
  wire [31:0] value_status = {27'd0,
    status_resetting_i,
    status_start_pending_i,
    status_output_full_i,
    status_input_full_i,
    status_busy_i};
  wire        rd_irq_enable = (rd_word == 6'h05);
  wire [31:0] value_irq_enable = {30'd0, irq_enable_error_o, irq_enable_done_o};
  wire        rd_irq_status = (rd_word == 6'h06);
  wire [31:0] value_irq_status = {30'd0, irq_status_error_o, irq_status_done_o};
  wire        rd_error = (rd_word == 6'h07);
  wire [31:0] value_error = {28'd0,
    error_bus_o,
    error_bad_access_o,
    error_long_packet_o,
    error_short_packet_o};
  wire        rd_cycles = (rd_word == 6'h08);
  wire [31:0] value_cycles = {cycles_i};
  wire        rd_layers = (rd_word == 6'h09);
  wire [31:0] value_layers = {16'd0, layers_i};
  wire        rd_samples = (rd_word == 6'h0A);
  wire [31:0] value_samples = {samples_i};
  wire        rd_total_cycles_lo = (rd_word == 6'h0C);
  wire [31:0] value_total_cycles_lo = {total_cycles_lo_i};
  wire        rd_total_cycles_hi = (rd_word == 6'h0D);
  wire [31:0] value_total_cycles_hi = {total_cycles_hi_i};
  wire        rd_ext_base_lo = (rd_word == 6'h10);
  wire [31:0] value_ext_base_lo = {ext_base_lo_o, 12'd0};
  wire        rd_ext_base_hi = (rd_word == 6'h11);
  wire [31:0] value_ext_base_hi = {ext_base_hi_o};
  assign rd_bad = ~(1'b0
    | rd_id
    | rd_version
    | rd_caps
    | rd_ctrl
    | rd_status
    | rd_irq_enable
    | rd_irq_status
    | rd_error
    | rd_cycles
    | rd_layers
    | rd_samples
    | rd_total_cycles_lo
    | rd_total_cycles_hi
    | rd_ext_base_lo
    | rd_ext_base_hi);
  assign rd_data = 32'd0
    | ({32{rd_id}} & value_id)
    | ({32{rd_version}} & value_version)
    | ({32{rd_caps}} & value_caps)
    | ({32{rd_ctrl}} & value_ctrl)
    | ({32{rd_status}} & value_status)
    | ({32{rd_irq_enable}} & value_irq_enable)
    | ({32{rd_irq_status}} & value_irq_status)
    | ({32{rd_error}} & value_error)
    | ({32{rd_cycles}} & value_cycles)
    | ({32{rd_layers}} & value_layers)
    | ({32{rd_samples}} & value_samples)
    | ({32{rd_total_cycles_lo}} & value_total_cycles_lo)
    | ({32{rd_total_cycles_hi}} & value_total_cycles_hi)
    | ({32{rd_ext_base_lo}} & value_ext_base_lo)
    | ({32{rd_ext_base_hi}} & value_ext_base_hi);

  // Writes
  wire        wr_ctrl = wr_en && (wr_word == 6'h03);
  wire        wr_irq_enable = wr_en && (wr_word == 6'h05);
  wire        wr_irq_status = wr_en && (wr_word == 6'h06);
  wire        wr_error = wr_en && (wr_word == 6'h07);
  wire        wr_ext_base_lo = wr_en && (wr_word == 6'h10);
  wire        wr_ext_base_hi = wr_en && (wr_word == 6'h11);
  assign wr_bad = ~(1'b0
    | (wr_word == 6'h03)
    | (wr_word == 6'h05)
    | (wr_word == 6'h06)
    | (wr_word == 6'h07)
    | (wr_word == 6'h10)
    | (wr_word == 6'h11));

  o2c_field_w1s #(.W(1)) u_ctrl_start (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_ctrl),
    .data_i(wr_data[0]), .mask_i(wr_mask[0]), .pulse_o(ctrl_start_o)
  );
  o2c_field_rw #(.W(1), .RESET(32'h0)) u_ctrl_auto (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_ctrl),
    .data_i(wr_data[1]), .mask_i(wr_mask[1]), .q_o(ctrl_auto_o)
  );
  o2c_field_w1s #(.W(1)) u_ctrl_soft_reset (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_ctrl),
    .data_i(wr_data[2]), .mask_i(wr_mask[2]), .pulse_o(ctrl_soft_reset_o)
  );
  o2c_field_rw #(.W(1), .RESET(32'h0)) u_irq_enable_done (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_irq_enable),
    .data_i(wr_data[0]), .mask_i(wr_mask[0]), .q_o(irq_enable_done_o)
  );
  o2c_field_rw #(.W(1), .RESET(32'h0)) u_irq_enable_error (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_irq_enable),
    .data_i(wr_data[1]), .mask_i(wr_mask[1]), .q_o(irq_enable_error_o)
  );
  o2c_field_w1c #(.W(1)) u_irq_status_done (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_irq_status),
    .data_i(wr_data[0]), .mask_i(wr_mask[0]), .set_i(irq_status_done_set_i),
    .q_o(irq_status_done_o)
  );
  o2c_field_w1c #(.W(1)) u_irq_status_error (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_irq_status),
    .data_i(wr_data[1]), .mask_i(wr_mask[1]), .set_i(irq_status_error_set_i),
    .q_o(irq_status_error_o)
  );
  o2c_field_w1c #(.W(1)) u_error_short_packet (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_error),
    .data_i(wr_data[0]), .mask_i(wr_mask[0]), .set_i(error_short_packet_set_i),
    .q_o(error_short_packet_o)
  );
  o2c_field_w1c #(.W(1)) u_error_long_packet (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_error),
    .data_i(wr_data[1]), .mask_i(wr_mask[1]), .set_i(error_long_packet_set_i),
    .q_o(error_long_packet_o)
  );
  o2c_field_w1c #(.W(1)) u_error_bad_access (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_error),
    .data_i(wr_data[2]), .mask_i(wr_mask[2]), .set_i(error_bad_access_set_i),
    .q_o(error_bad_access_o)
  );
  o2c_field_w1c #(.W(1)) u_error_bus (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_error),
    .data_i(wr_data[3]), .mask_i(wr_mask[3]), .set_i(error_bus_set_i),
    .q_o(error_bus_o)
  );
  o2c_field_rw #(.W(20), .RESET(32'h0)) u_ext_base_lo (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_ext_base_lo),
    .data_i(wr_data[31:12]), .mask_i(wr_mask[31:12]), .q_o(ext_base_lo_o)
  );
  o2c_field_rw #(.W(32), .RESET(32'h0)) u_ext_base_hi (
    .clk_i(clk_i), .rst_ni(rst_ni), .wr_en_i(wr_ext_base_hi),
    .data_i(wr_data[31:0]), .mask_i(wr_mask[31:0]), .q_o(ext_base_hi_o)
  );

  wire unused_ok = &{1'b0, wr_data, wr_mask};
endmodule
`default_nettype wire
