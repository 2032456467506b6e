// a sample → soma_predict in XDP, tc and a tracepoint: what a user's own BPF program looks like.
#include "vmlinux.h"
//
#include <bpf/bpf_helpers.h>

#include "predict.h"

SEC("xdp")
int of_packet(struct xdp_md *context) { return predict(0) < 0 ? XDP_ABORTED : XDP_PASS; }

SEC("tc")
int of_buffer(struct __sk_buff *buffer) { return predict(1) < 0 ? -1 : 0; }

SEC("raw_tp/sched_switch")
int of_switch(void *context) {
  predict(2);
  return 0;
}
