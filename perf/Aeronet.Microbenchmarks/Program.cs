using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(Aeronet.Microbenchmarks.Http1.RequestHeadParsing).Assembly).Run(args);
