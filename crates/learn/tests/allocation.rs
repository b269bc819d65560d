//! After the first batch no built-in model allocates: its workspace is its own. Only the `gemm` library does, for the
//! operands that it packs: at most two buffers for each product of matrices.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use syncline_data::synthetic;
use syncline_learn::{Linear, Logistic, Mlp, Model, Softmax, Svm};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks for.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came; the counter is a constant-initialised
// thread-local without a destructor, so that touching it neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory comes from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn only_the_packing_of_products_allocates_after_the_first_batch() {
    let sparse = synthetic::sparse_logistic(128, 5000, 9, 1);
    // With the number of matrix products that a gradient and a score take.
    let models: [(Box<dyn Model>, _, usize); 8] = [
        (Box::new(Linear::new(40)), synthetic::linear(128, 40, 0.1, 1), 0),
        (Box::new(Mlp::regression(&[40, 16])), synthetic::linear(128, 40, 0.1, 1), 5 + 2),
        (Box::new(Logistic::new(40)), synthetic::blobs(128, 40, 2, 1), 0),
        (Box::new(Softmax::new(300, 10)), synthetic::blobs(128, 300, 10, 1), 2 + 1),
        (Box::new(Svm::new(40, 3)), synthetic::blobs(128, 40, 3, 1), 2 + 1),
        (Box::new(Mlp::new(&[300, 64, 32, 10])), synthetic::blobs(128, 300, 10, 1), 8 + 3),
        (Box::new(Logistic::new(5000)), sparse.clone(), 0),
        (Box::new(Mlp::new(&[5000, 16, 2])), sparse, 3 + 1),
    ];
    for (mut model, data, products) in models {
        let parameters = model.initialise(1);
        let mut gradient = vec![0.0; parameters.len()];
        model.gradient(&parameters, &data.batch(0..64), &mut gradient);
        let before = ALLOCATIONS.get();
        assert!(before > 0, "the counter counts");
        model.gradient(&parameters, &data.batch(64..128), &mut gradient);
        model.score(&parameters, &data.batch(10..20));
        assert!(ALLOCATIONS.get() - before <= 2 * products, "a model of {} parameters", parameters.len());
    }
}
