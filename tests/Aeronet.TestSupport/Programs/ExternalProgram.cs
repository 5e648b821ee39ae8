using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;

namespace Aeronet.TestSupport.Programs;

/// <summary>What a program said.</summary>
/// <param name="ExitCode">0 for success.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record ProgramResult(int ExitCode, string Output, string Errors)
{
    /// <summary>Everything, for programs that do not care where they write.</summary>
    public string All => Output + Errors;
}

/// <summary>Programs of the machine as clients: curl, openssl and others.</summary>
public static class ExternalProgram
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Runs a program to its end. Null when it is not installed: said loudly on a user's machine, an error where <c>CI=true</c>.</summary>
    /// <param name="program">Its name, searched in PATH.</param>
    /// <param name="arguments">One by one, no shell.</param>
    /// <param name="input">Standard input; null: empty.</param>
    /// <param name="holdsInputOpen">Standard input is not closed before this text has been seen on standard output.</param>
    public static async Task<ProgramResult?> TryRunAsync(string program, IEnumerable<string> arguments, string? input = null, string? holdsInputOpen = null)
    {
        string? path = Find(program);
        if (path is null)
        {
            return null;
        }

        var start = new ProcessStartInfo(path, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync();
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input).ConfigureAwait(false);
                await process.StandardInput.FlushAsync().ConfigureAwait(false);
            }

            string seen = "";
            var buffer = new char[4096];
            while (holdsInputOpen is not null && !seen.Contains(holdsInputOpen, StringComparison.Ordinal))
            {
                int count = await process.StandardOutput.ReadAsync(buffer).AsTask().WaitAsync(s_patience).ConfigureAwait(false);
                if (count == 0)
                {
                    break;
                }

                seen += new string(buffer, 0, count);
            }

            process.StandardInput.Close();
            string rest = await process.StandardOutput.ReadToEndAsync().WaitAsync(s_patience).ConfigureAwait(false);
            await process.WaitForExitAsync().WaitAsync(s_patience).ConfigureAwait(false);
            return new ProgramResult(process.ExitCode, seen + rest, await errors.ConfigureAwait(false));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static string? Find(string program)
    {
        string? path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        if (path is null)
        {
            Console.Error.WriteLine($"SKIPPED: {program} is not installed, a test with it did not run.");
            if (string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase))
            {
                throw new InvalidOperationException($"{program} is not installed.");
            }
        }

        return path;
    }
}
