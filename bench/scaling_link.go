package bench

import "math/bits"

// Server is a kind of machine with 8 GPUs, as its vendor publishes it, and as NCCL's own model of the machine takes its links.
type Server struct {
	Name   string
	Links  string
	Rates  Rates   // published peaks: Copy is the memory's bandwidth, Tensor that of dense bf16
	NVLink bool    // else PCIe
	Inside float64 // bytes/s that a GPU can send within the server
	NICs   int
	NIC    float64 // bytes/s of one
	Source string
}

// GPUsOfServer is the GPUs of every Server.
const GPUsOfServer = 8

// Bytes/s of links, of src/graph/topo.h of NCCL (github.com/NVIDIA/nccl, 5067397): what it reckons to get of a link, below what is
// published. A PCIe generation doubles the one before.
const (
	nvlink3 = 12 * 20.0e9 // 12 links of an A100, SM80_NVLINK_BW; published: 300 GB/s each way
	nvlink4 = 18 * 20.6e9 // 18 links of an H100 or H200, SM90_NVLINK_BW; published: 450 GB/s each way
	pcie4   = 2 * 12.0e9  // twice PCI_BW, which is gen 3 x16; published: 32 GB/s each way
	pcie5   = 4 * 12.0e9  // published: 64 GB/s each way
	net100  = 12.0e9      // NET_BW, of 100 Gb/s
)

// Servers are the machines that scaling is computed for.
func Servers() []Server {
	const how = "published peaks"
	return []Server{
		{"H200", "HGX: NVLink 4; 8 x NDR 400", Rates{Precision: "bf16", Copy: 4.8e12, Tensor: 989e12, Plain: 67e12, How: how}, true, nvlink4, 8, 4 * net100,
			"NVIDIA H200 and DGX H200 data sheets: 4.8 TB/s, 1,979 TFLOP/s bf16 with sparsity (half of it dense), NVLink 900 GB/s both ways, 8 ConnectX-7 of 400 Gb/s"},
		{"H100", "HGX: NVLink 4; 8 x NDR 400", Rates{Precision: "bf16", Copy: 3.35e12, Tensor: 989e12, Plain: 67e12, How: how}, true, nvlink4, 8, 4 * net100,
			"NVIDIA H100 SXM and DGX H100 data sheets: 3.35 TB/s, 1,979 TFLOP/s bf16 with sparsity, NVLink 900 GB/s both ways, 8 ConnectX-7 of 400 Gb/s"},
		{"A100", "HGX: NVLink 3; 8 x HDR 200", Rates{Precision: "bf16", Copy: 2.039e12, Tensor: 312e12, Plain: 19.5e12, How: how}, true, nvlink3, 8, 2 * net100,
			"NVIDIA A100 80GB SXM and DGX A100 data sheets: 2,039 GB/s, 312 TFLOP/s bf16 dense, NVLink 600 GB/s both ways, 8 ConnectX-6 of 200 Gb/s"},
		{"H100 PCIe", "PCIe gen 5; 1 x NDR 400", Rates{Precision: "bf16", Copy: 2.0e12, Tensor: 756e12, Plain: 51e12, How: how}, false, pcie5, 1, 4 * net100,
			"NVIDIA H100 PCIe data sheet: 2 TB/s, 1,513 TFLOP/s bf16 with sparsity, PCIe gen 5 128 GB/s both ways; one network card is an assumption"},
		{"L40S", "PCIe gen 4; 1 x 100 GbE", Rates{Precision: "bf16", Copy: 864e9, Tensor: 362e12, Plain: 91.6e12, How: how}, false, pcie4, 1, net100,
			"NVIDIA L40S data sheet: 864 GB/s, 362 TFLOP/s bf16 dense, PCIe gen 4 64 GB/s both ways; one network card is an assumption"},
	}
}

// Microseconds of NCCL's protocol "Simple" (src/graph/tuning.cc): of a collective as such, and of a step from GPU to GPU.
const (
	latencyBase       = 8.4
	latencyNVLinkRing = 3.4
	latencyPCIeRing   = 5.7
	latencyTree       = 4.0 // NVLink and PCIe
	latencyNet        = 14.0
	latencyNetRing    = 3.0 // least of a step within a node of a ring over several: three times the overhead of a message
	ringPlateau       = 1.4 // on the latency of a ring over several nodes
	treeShare         = 0.92
)

// treeShares is the share of its bandwidth that a tree reaches with 64 bytes, 128 bytes, and so on (treeCorrectionFactor).
var treeShares = [...]float64{.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5, .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9}

// AllReduce is the seconds of an all-reduce of bytes on each of so many GPUs, equally many in each of so many servers: the better of
// NCCL's ring and its tree, whose latencies and bandwidths these are. A ring moves 2(N-1)/N of the bytes through every GPU, a tree 2.
func (s Server) AllReduce(bytes float64, gpus, nodes int) float64 {
	if gpus == 1 {
		return 0
	}
	ringStep, rate, plateau := latencyNVLinkRing, s.Inside, 1.0
	if !s.NVLink {
		ringStep = latencyPCIeRing
	}
	if nodes > 1 {
		rate, ringStep, plateau = min(rate, float64(s.NICs)*s.NIC), max(ringStep, latencyNetRing), ringPlateau
	}
	between := 2 * (nodes - 1)
	n := float64(gpus)
	ring := latencyBase + float64(2*(gpus-1)-between)*ringStep + float64(between)*latencyNet
	tree := latencyBase + 2*(float64(gpus/nodes-1)*latencyTree+float64(bits.Len(uint(nodes))-1)*latencyNet)
	treeRate := treeShare * rate
	if at := bits.Len(uint(bytes)>>6) - 1; at >= 0 && at < len(treeShares) {
		treeRate *= treeShares[at]
	}
	return min(1e-6*plateau*ring+2*(n-1)/n*bytes/rate, 1e-6*tree+2*bytes/treeRate)
}
