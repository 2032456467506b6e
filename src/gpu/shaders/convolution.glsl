// the shape of a convolution, fused pooling and activation included: what its three shaders agree on. Channels last throughout;
// weights as src/nn/plan.h lays them out.
layout(constant_id = 1) const uint IN_H = 1;
layout(constant_id = 2) const uint IN_W = 1;
layout(constant_id = 3) const uint IN_C = 1;
layout(constant_id = 4) const uint OUT_H = 1;  // before pooling
layout(constant_id = 5) const uint OUT_W = 1;
layout(constant_id = 6) const uint OUT_C = 1;
layout(constant_id = 7) const uint KERNEL_H = 1;
layout(constant_id = 8) const uint KERNEL_W = 1;
layout(constant_id = 9) const uint STRIDE_H = 1;
layout(constant_id = 10) const uint STRIDE_W = 1;
layout(constant_id = 11) const uint PADDING_H = 0;
layout(constant_id = 12) const uint PADDING_W = 0;
layout(constant_id = 13) const uint DILATION_H = 1;
layout(constant_id = 14) const uint DILATION_W = 1;
layout(constant_id = 15) const uint GROUPS = 1;
layout(constant_id = 16) const bool POOLED = false;
layout(constant_id = 17) const uint POOL_H = 1;  // a window; without a pool 1 × 1
layout(constant_id = 18) const uint POOL_W = 1;
layout(constant_id = 19) const uint Y_H = 1;  // after pooling
layout(constant_id = 20) const uint Y_W = 1;

const uint GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
const uint ROWS = KERNEL_H * KERNEL_W * GROUP_IN;           // of a group's matrix
const uint PANELS = (GROUP_OUT + kPanel - 1) / kPanel;      // of a group
const uint GROUP_STRIDE = PANELS * ROWS * kPanel;           // numbers of a group's matrix
