//go:build cuda

// One trampoline for each driver call that gorgonia.org/cu or this package refers to. A trampoline jumps through a slot
// that at first leads to resolve and, from then on, to libcuda's own function. Nothing here needs the dynamic linker's
// help, so LD_BIND_NOW, -z now and PIE make no difference. cuInit is in resolve.c.

// A slot, as resolve.c knows it (struct slot): where to jump, and the name to look up.
.macro ENTRY name
	.section .rodata
7:	.asciz	"\name"
	.data
	.balign	16
8:	.quad	9f, 7b
	.text
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	jmpq	*8b(%rip)
9:	leaq	8b(%rip), %r11
	jmp	resolve
	.size	\name, . - \name
.endm

	.text
	.balign	16
	.type	resolve, @function
// r11: the slot. Keeps every register that can carry an argument, with the stack aligned to 16 bytes.
resolve:
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$64, %rsp
	movq	%rdi, -8(%rbp)
	movq	%rsi, -16(%rbp)
	movq	%rdx, -24(%rbp)
	movq	%rcx, -32(%rbp)
	movq	%r8, -40(%rbp)
	movq	%r9, -48(%rbp)
	movq	%xmm0, -56(%rbp)	// cuTexRefSetMipmapLevelBias and its like take one or two floats
	movq	%xmm1, -64(%rbp)
	movq	%r11, %rdi
	call	vimps_resolve
	movq	%rax, %r11
	movq	-8(%rbp), %rdi
	movq	-16(%rbp), %rsi
	movq	-24(%rbp), %rdx
	movq	-32(%rbp), %rcx
	movq	-40(%rbp), %r8
	movq	-48(%rbp), %r9
	movq	-56(%rbp), %xmm0
	movq	-64(%rbp), %xmm1
	leave
	jmpq	*%r11
	.size	resolve, . - resolve

// What this package calls beyond cu.
ENTRY cuFuncSetAttribute
ENTRY cuGetErrorName
ENTRY cuGetErrorString
ENTRY cuGraphGetNodes
ENTRY cuGraphInstantiateWithFlags
ENTRY cuGraphLaunch
ENTRY cuMemHostAlloc
ENTRY cuStreamBeginCapture_v2
ENTRY cuStreamEndCapture

// What gorgonia.org/cu v0.9.6 refers to.
ENTRY cuArray3DCreate_v2
ENTRY cuArray3DGetDescriptor_v2
ENTRY cuArrayCreate_v2
ENTRY cuArrayDestroy
ENTRY cuArrayGetDescriptor_v2
ENTRY cuCtxCreate_v2
ENTRY cuCtxDestroy_v2
ENTRY cuCtxDisablePeerAccess
ENTRY cuCtxEnablePeerAccess
ENTRY cuCtxGetApiVersion
ENTRY cuCtxGetCacheConfig
ENTRY cuCtxGetCurrent
ENTRY cuCtxGetDevice
ENTRY cuCtxGetFlags
ENTRY cuCtxGetLimit
ENTRY cuCtxGetSharedMemConfig
ENTRY cuCtxGetStreamPriorityRange
ENTRY cuCtxPopCurrent_v2
ENTRY cuCtxPushCurrent_v2
ENTRY cuCtxResetPersistingL2Cache
ENTRY cuCtxSetCacheConfig
ENTRY cuCtxSetCurrent
ENTRY cuCtxSetLimit
ENTRY cuCtxSetSharedMemConfig
ENTRY cuCtxSynchronize
ENTRY cuDeviceCanAccessPeer
ENTRY cuDeviceGet
ENTRY cuDeviceGetAttribute
ENTRY cuDeviceGetCount
ENTRY cuDeviceGetName
ENTRY cuDeviceGetP2PAttribute
ENTRY cuDeviceGetUuid_v2
ENTRY cuDevicePrimaryCtxGetState
ENTRY cuDevicePrimaryCtxRelease_v2
ENTRY cuDevicePrimaryCtxReset_v2
ENTRY cuDevicePrimaryCtxRetain
ENTRY cuDevicePrimaryCtxSetFlags_v2
ENTRY cuDeviceTotalMem_v2
ENTRY cuDriverGetVersion
ENTRY cuEventCreate
ENTRY cuEventDestroy_v2
ENTRY cuEventElapsedTime_v2
ENTRY cuEventQuery
ENTRY cuEventRecord
ENTRY cuEventSynchronize
ENTRY cuFuncGetAttribute
ENTRY cuFuncSetCacheConfig
ENTRY cuFuncSetSharedMemConfig
ENTRY cuGraphAddChildGraphNode
ENTRY cuGraphAddDependencies
ENTRY cuGraphAddEmptyNode
ENTRY cuGraphAddHostNode
ENTRY cuGraphAddKernelNode_v2
ENTRY cuGraphAddMemcpyNode
ENTRY cuGraphAddMemsetNode
ENTRY cuGraphClone
ENTRY cuGraphCreate
ENTRY cuGraphDestroy
ENTRY cuGraphDestroyNode
ENTRY cuGraphExecDestroy
ENTRY cuGraphGetEdges
ENTRY cuLaunchKernel
ENTRY cuLinkAddData_v2
ENTRY cuLinkAddFile_v2
ENTRY cuLinkComplete
ENTRY cuLinkCreate_v2
ENTRY cuLinkDestroy
ENTRY cuMemAdvise
ENTRY cuMemAllocManaged
ENTRY cuMemAllocPitch_v2
ENTRY cuMemAlloc_v2
ENTRY cuMemFreeHost
ENTRY cuMemFree_v2
ENTRY cuMemGetAddressRange_v2
ENTRY cuMemGetInfo_v2
ENTRY cuMemPrefetchAsync
ENTRY cuMemcpy
ENTRY cuMemcpy2DAsync_v2
ENTRY cuMemcpy2DUnaligned_v2
ENTRY cuMemcpy2D_v2
ENTRY cuMemcpy3DAsync_v2
ENTRY cuMemcpy3DPeer
ENTRY cuMemcpy3DPeerAsync
ENTRY cuMemcpy3D_v2
ENTRY cuMemcpyAsync
ENTRY cuMemcpyAtoA_v2
ENTRY cuMemcpyAtoD_v2
ENTRY cuMemcpyAtoHAsync_v2
ENTRY cuMemcpyAtoH_v2
ENTRY cuMemcpyDtoA_v2
ENTRY cuMemcpyDtoDAsync_v2
ENTRY cuMemcpyDtoD_v2
ENTRY cuMemcpyDtoHAsync_v2
ENTRY cuMemcpyDtoH_v2
ENTRY cuMemcpyHtoAAsync_v2
ENTRY cuMemcpyHtoA_v2
ENTRY cuMemcpyHtoDAsync_v2
ENTRY cuMemcpyHtoD_v2
ENTRY cuMemcpyPeer
ENTRY cuMemcpyPeerAsync
ENTRY cuMemsetD16Async
ENTRY cuMemsetD16_v2
ENTRY cuMemsetD2D16Async
ENTRY cuMemsetD2D16_v2
ENTRY cuMemsetD2D32Async
ENTRY cuMemsetD2D32_v2
ENTRY cuMemsetD2D8Async
ENTRY cuMemsetD2D8_v2
ENTRY cuMemsetD32Async
ENTRY cuMemsetD32_v2
ENTRY cuMemsetD8Async
ENTRY cuMemsetD8_v2
ENTRY cuModuleGetFunction
ENTRY cuModuleGetGlobal_v2
ENTRY cuModuleGetSurfRef
ENTRY cuModuleGetTexRef
ENTRY cuModuleLoad
ENTRY cuModuleLoadData
ENTRY cuModuleLoadDataEx
ENTRY cuModuleLoadFatBinary
ENTRY cuModuleUnload
ENTRY cuOccupancyMaxActiveBlocksPerMultiprocessor
ENTRY cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
ENTRY cuPointerGetAttribute
ENTRY cuPointerSetAttribute
ENTRY cuStreamAttachMemAsync
ENTRY cuStreamCreate
ENTRY cuStreamCreateWithPriority
ENTRY cuStreamDestroy_v2
ENTRY cuStreamGetFlags
ENTRY cuStreamGetPriority
ENTRY cuStreamQuery
ENTRY cuStreamSynchronize
ENTRY cuStreamWaitEvent
ENTRY cuStreamWaitValue32_v2
ENTRY cuStreamWriteValue32_v2
ENTRY cuSurfRefGetArray
ENTRY cuSurfRefSetArray
ENTRY cuTexRefGetAddressMode
ENTRY cuTexRefGetAddress_v2
ENTRY cuTexRefGetArray
ENTRY cuTexRefGetBorderColor
ENTRY cuTexRefGetFilterMode
ENTRY cuTexRefGetFlags
ENTRY cuTexRefGetFormat
ENTRY cuTexRefGetMaxAnisotropy
ENTRY cuTexRefSetAddress2D_v3
ENTRY cuTexRefSetAddressMode
ENTRY cuTexRefSetAddress_v2
ENTRY cuTexRefSetArray
ENTRY cuTexRefSetBorderColor
ENTRY cuTexRefSetFilterMode
ENTRY cuTexRefSetFlags
ENTRY cuTexRefSetFormat
ENTRY cuTexRefSetMaxAnisotropy
ENTRY cuTexRefSetMipmapFilterMode
ENTRY cuTexRefSetMipmapLevelBias
ENTRY cuTexRefSetMipmapLevelClamp

	.section .note.GNU-stack, "", @progbits
