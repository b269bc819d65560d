//! How nodes talk: typed services, clients and bulk tensors.
