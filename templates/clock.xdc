# Clock of the accelerator. The period is the design's own; pins belong to the board.
create_clock -name clk -period <{ period }> [get_ports clk_i]
