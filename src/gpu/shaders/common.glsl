// what every shader is told: the step within the recording, the samples of its batch; threads by specialization constant 0.
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x_id = 0) in;
layout(push_constant) uniform Push {
  uint step;  // of the recording
  uint rows;  // samples in this batch
} push;

const uint kPanel = 16;

uint ceil_div(uint a, uint b) { return (a + b - 1) / b; }

/// The number of this thread where work is cut in workgroups along x, and wraps into y beyond 65535 of them.
uint thread_number() {
  return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
}
