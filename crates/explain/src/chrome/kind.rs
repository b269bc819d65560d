//! What an event is, told by the category and the name that profilers give it.

/// What a slice is. Slices of the host are told apart by why a device may have nothing to do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A computation on a device.
    Kernel,
    /// A copy from the host to a device.
    CopyIn,
    /// A copy from a device to the host.
    CopyOut,
    /// Any other copy on a device, or filling of its memory.
    Copy,
    /// A collective operation, or a send or receive, as the device or (gloo, MPI) the CPU runs it.
    Collective,
    /// A call of the host that gives work to a device.
    Launch,
    /// A call of the host that returns when a device is done.
    Synchronise,
    /// A call of the host that takes or gives back a device's memory.
    Allocate,
    /// An operator, or another call of the device's library.
    Operator,
    /// Getting the next batch.
    Loader,
    /// The optimiser.
    Optimizer,
    /// A step of the training loop.
    Step,
    /// What the program has named.
    Named,
    /// An event of our own export.
    Own,
    /// Of another tool.
    Other,
}

impl Kind {
    /// Whether it runs on a device.
    pub fn is_on_device(self) -> bool {
        matches!(self, Self::Kernel | Self::CopyIn | Self::CopyOut | Self::Copy)
    }

    /// Of a category and a name; `None` for what adds nothing: copies of the host's ranges on the device's lanes, the
    /// profiler's own span, Python's frames (whatever no operator covers is Python's).
    pub fn of(category: &str, name: &str) -> Option<Self> {
        let category = category.to_ascii_lowercase();
        Some(match category.as_str() {
            "mtia_ccp_events" => return on_mtia(name),
            "kernel" | "concurrent_kernel" | "hpu_op" => Self::Kernel,
            "gpu_memcpy" | "memcpy" => copy(name),
            "gpu_memset" | "memset" => Self::Copy,
            "syncline" => Self::Own,
            "gpu_user_annotation" | "trace" | "python_function" | "cuda_sync" | "overhead" => return None,
            "user_annotation" => host(name).unwrap_or(Self::Named),
            "cpu_op" | "operator" => host(name).unwrap_or(Self::Operator),
            _ if category.ends_with("runtime") || category.ends_with("driver") => call(name),
            _ => Self::Other,
        })
    }

    /// Whether a category is one of PyTorch's profiler.
    pub fn is_of_kineto(category: &str) -> bool {
        let known = ["cpu_op", "kernel", "cuda_runtime", "gpu_memcpy", "mtia_ccp_events", "user_annotation"];
        known.iter().any(|name| category.eq_ignore_ascii_case(name))
    }
}

/// What MTIA's command processors did. To wait for an event of another stream is no work.
fn on_mtia(name: &str) -> Option<Kind> {
    match name {
        _ if name.starts_with("event_") => None,
        "dma_request" => Some(Kind::Copy),
        _ => Some(Kind::Kernel),
    }
}

/// `Memcpy HtoD (Pinned -> Device)` and its kin.
fn copy(name: &str) -> Kind {
    match name {
        _ if name.contains("HtoD") || name.contains("HostToDevice") => Kind::CopyIn,
        _ if name.contains("DtoH") || name.contains("DeviceToHost") => Kind::CopyOut,
        _ => Kind::Copy,
    }
}

/// A range of the host by its name.
pub(super) fn host(name: &str) -> Option<Kind> {
    let is_one_of = |names: &[&str]| names.iter().any(|part| name.contains(part));
    let kind = match name {
        _ if name.starts_with("ProfilerStep") => Kind::Step,
        _ if is_on_cpu(name) => Kind::Collective,
        _ if is_one_of(&["DataLoader", "dataloader", "Iterator::", "IteratorGetNext", "data_loader"]) => {
            Kind::Loader
        }
        _ if name.starts_with("Optimizer.") => Kind::Optimizer,
        "aten::item" | "aten::_local_scalar_dense" | "aten::is_nonzero" => Kind::Synchronise,
        _ if is_one_of(&["BlockHostUntilReady", "block_until_ready"]) => Kind::Synchronise,
        _ => return None,
    };
    Some(kind)
}

/// A call of CUDA's or another device's library.
fn call(name: &str) -> Kind {
    let is_one_of = |names: &[&str]| names.iter().any(|part| name.contains(part));
    match name {
        _ if is_one_of(&["Synchronize", "StreamQuery", "EventQuery"]) => Kind::Synchronise,
        // The plain copy returns when it is done.
        "cudaMemcpy" | "hipMemcpy" => Kind::Synchronise,
        _ if is_one_of(&["Malloc", "Free", "MemAlloc", "HostAlloc"]) => Kind::Allocate,
        _ if is_one_of(&["Launch", "Memcpy", "Memset"]) => Kind::Launch,
        _ => Kind::Operator,
    }
}

/// Whether a CPU runs this collective: the operations of gloo or MPI themselves, not what queues them.
fn is_on_cpu(name: &str) -> bool {
    ["gloo:", "mpi:", "ucc:"].iter().any(|library| name.starts_with(library))
}

/// What a communication is: its name (`allreduce`), and whether nobody leaves it before all have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// All give, all get: a meeting.
    AllReduce,
    /// See `AllReduce`.
    AllGather,
    /// See `AllReduce`.
    ReduceScatter,
    /// See `AllReduce`.
    AllToAll,
    /// See `AllReduce`.
    Barrier,
    /// One gives: its own end says nothing of the others.
    Broadcast,
    /// One gets.
    Reduce,
    /// One gives or gets, each another part.
    Scatter,
    /// Between two.
    Send,
    /// Between two.
    Receive,
    /// Between two, without saying which way.
    SendReceive,
    /// Not known.
    Unknown,
}

impl Operation {
    /// By the name of a kernel (`ncclDevKernel_AllReduce_Sum_f32_RING_LL`), an argument (`allreduce`, `_allgather_base`), or
    /// a range (`gloo:all_reduce`).
    pub fn of(name: &str) -> Self {
        let name: String = name
            .chars()
            .filter(|character| character.is_ascii_alphabetic())
            .collect::<String>()
            .to_ascii_lowercase();
        let known = [
            ("allreduce", Self::AllReduce),
            ("allgather", Self::AllGather),
            ("reducescatter", Self::ReduceScatter),
            ("alltoall", Self::AllToAll),
            ("barrier", Self::Barrier),
            ("broadcast", Self::Broadcast),
            ("sendrecv", Self::SendReceive),
            ("send", Self::Send),
            ("recv", Self::Receive),
            ("scatter", Self::Scatter),
            ("gather", Self::Scatter),
            ("reduce", Self::Reduce),
        ];
        known.into_iter().find(|(part, _)| name.contains(part)).map_or(Self::Unknown, |found| found.1)
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllReduce => "all-reduce",
            Self::AllGather => "all-gather",
            Self::ReduceScatter => "reduce-scatter",
            Self::AllToAll => "all-to-all",
            Self::Barrier => "barrier",
            Self::Broadcast => "broadcast",
            Self::Reduce => "reduce",
            Self::Scatter => "gather or scatter",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::SendReceive => "send and receive",
            Self::Unknown => "collective",
        }
    }

    /// Whether nobody leaves it before all have come. What is not known is taken for one, as most are.
    pub fn is_meeting(self) -> bool {
        !matches!(self, Self::Broadcast | Self::Reduce | Self::Scatter) && !self.is_between_two()
    }

    /// Whether it is a send or a receive.
    pub fn is_between_two(self) -> bool {
        matches!(self, Self::Send | Self::Receive | Self::SendReceive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_libraries_are_understood() {
        let names = [
            ("ncclDevKernel_AllReduce_Sum_f32_RING_LL", Operation::AllReduce),
            ("_allgather_base", Operation::AllGather),
            ("gloo:reduce_scatter", Operation::ReduceScatter),
            ("ncclKernel_SendRecv_RING_SIMPLE_Sum_int8_t", Operation::SendReceive),
            ("all_to_allv", Operation::AllToAll),
            ("gloo:recv", Operation::Receive),
            ("rcclGenericKernel", Operation::Unknown),
        ];
        names.into_iter().for_each(|(name, operation)| assert_eq!(Operation::of(name), operation, "{name}"));
        assert!(!Operation::Broadcast.is_meeting() && !Operation::Send.is_meeting());
    }

    #[test]
    fn slices_are_told_apart() {
        let kind = |category, name| Kind::of(category, name);
        assert_eq!(kind("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)"), Some(Kind::CopyIn));
        assert_eq!(kind("cuda_runtime", "cudaStreamSynchronize"), Some(Kind::Synchronise));
        assert_eq!(kind("Runtime", "hipLaunchKernel"), Some(Kind::Launch));
        assert_eq!(kind("user_annotation", "enumerate(DataLoader)#_Single.__next__"), Some(Kind::Loader));
        assert_eq!(kind("cpu_op", "Optimizer.step#SGD.step"), Some(Kind::Optimizer));
        assert_eq!(kind("python_function", "train.py(3): main"), None);
        assert_eq!(kind("mtia_ccp_events", "pe_exe"), Some(Kind::Kernel));
        assert_eq!(kind("mtia_ccp_events", "event_wait"), None);
    }
}
