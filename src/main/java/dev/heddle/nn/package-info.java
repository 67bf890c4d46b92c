/** Layers: parameters, and what is computed with them. */
package dev.heddle.nn;
