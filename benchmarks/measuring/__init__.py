# SPDX-License-Identifier: Apache-2.0
"""What the commands beside this folder share: the machine, zones, servers to compare with, statistics, the report."""
