declare const brand: unique symbol

/** A type that only its parser can make: the cast stands once, after the proof. A branded type may be branded again. */
export type Brand<T, Name extends string> = T & { readonly [brand]: { readonly [Each in Name]: true } }
