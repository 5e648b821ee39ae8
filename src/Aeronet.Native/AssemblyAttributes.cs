// Every signature is blittable: the runtime's marshalling is off, so that a call is a call and errno survives it.
[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]
