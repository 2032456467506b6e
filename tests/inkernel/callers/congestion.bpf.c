// a sample → soma_predict in a struct_ops program: a TCP congestion control that asks a network at each acknowledgement.
#include "vmlinux.h"
//
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "predict.h"

SEC("struct_ops/undo")
__u32 BPF_PROG(undo, struct sock *sk) { return 10; }

SEC("struct_ops/threshold")
__u32 BPF_PROG(threshold, struct sock *sk) { return 10; }

SEC("struct_ops/avoid")
void BPF_PROG(avoid, struct sock *sk, __u32 acknowledged, __u32 now) { predict(3); }

SEC(".struct_ops")
struct tcp_congestion_ops soma_congestion = {
    .ssthresh = (void *)threshold,
    .cong_avoid = (void *)avoid,
    .undo_cwnd = (void *)undo,
    .name = "soma_test",
};
