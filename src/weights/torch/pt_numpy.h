/* NumPy arrays inside a pickle of protocol 2. Private to src/weights. */
#ifndef DHO_WEIGHTS_TORCH_PT_NUMPY_H
#define DHO_WEIGHTS_TORCH_PT_NUMPY_H

#include "weights/torch/pt_pickle.h"

/* Is the value an array: numpy.ndarray with its state? */
bool pt_is_array(const pt_pickle *pickle, pt_id id);

/* Reads one: dtype, dims, shape and bytes of *view, and its elements, in C order, into *out_block,
 * owned by the caller (dho_free), at which view->data points. *room: bytes that arrays may still
 * take (the pickle may name one text many times); what this one takes is subtracted.
 * Errors: DHO_ERR_FORMAT (another byte order, Fortran order, a type that is no number, data that is
 * not of the shape), DHO_ERR_MEMORY. */
dho_status pt_array_read(const pt_pickle *pickle, pt_id id, dho_tensor_view *view, void **out_block,
                         size_t *room);

#endif
